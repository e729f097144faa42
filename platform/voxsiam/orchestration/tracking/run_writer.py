"""One study's runs in MLflow: made once, described, filled and ended. What fails is raised."""

import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.tracking import MlflowClient

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.orchestration.lock import has_driver
from voxsiam.orchestration.owner import this_owner
from voxsiam.orchestration.runs.manifest import library_versions
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.runs.result_files import TEST_FILES
from voxsiam.orchestration.runs.source_commit import source_commit
from voxsiam.orchestration.tracking.names import (
    COMMIT_TAG,
    ENVIRONMENT_FILE,
    ERROR_TAG,
    INCIDENTS_TAG,
    MANIFEST_TAG,
    MODEL_FOLDER,
    OWNER_TAG,
    RECIPE_FILE,
    SOURCE_TAG,
    SPLIT_FILE,
    STATE_TAG,
    STATUS,
    USER_TAG,
    WORKSPACE_TAG,
)
from voxsiam.orchestration.tracking.outbox import now_ms
from voxsiam.orchestration.tracking.parent_run import ParentRun
from voxsiam.orchestration.tracking.reader import search_runs
from voxsiam.orchestration.workspace import Workspace
from voxsiam.regular_files import read_regular
from voxsiam.small_files import LARGE, SMALL, read_json

log = logging.getLogger(__name__)

_METRICS_A_CALL = 1000


class RunWriter:
    """Writes the runs of a study or a sweep; opening it again continues the same runs.

    Every method may be called again after it failed half-way: nothing is written twice.

    Args:
        experiment: MLflow's number of ours.
    """

    def __init__(
        self, client: MlflowClient, experiment: str, parent_run: ParentRun, workspace: Workspace
    ) -> None:
        self._client, self._experiment, self._parent_run = client, experiment, parent_run
        self._workspace, self._identity = workspace, workspace.identity
        self.parent = ""
        self._runs: dict[tuple[str, str], str] = {}
        self._epochs: dict[str, set[int]] = {}

    def run_of(
        self, planned: PlannedRun, at_ms: int, *, reopen: bool = True, may_link: bool = False
    ) -> str:
        """Return a trial's run, made where it is missing.

        Args:
            at_ms: When it started, if it is made now.
            reopen: One that is there is marked as running.
            may_link: Another study may have trained it.
        """
        # Two rows may share a run: small shares of the labels can be the same cases.
        key = (planned.row, planned.run.run_id)
        if key in self._runs:
            return self._runs[key]
        tags = {"voxsiam.row": planned.row, "voxsiam.run": planned.run.run_id}
        tags["mlflow.parentRunId"] = self.parent
        found = self._newest(tags)
        if found is None:
            more = self._parent_run.tags_of(planned) | _owner_tags() | _source_tags()
            more |= self._source_of(planned) if may_link else {}
            found = self._create(f"{planned.row} s{planned.run.seed}", tags, more, at_ms)
        elif reopen:
            self._reopen(found)
        self._describe(found, planned)
        self._runs[key] = found.info.run_id
        return found.info.run_id

    def is_finished(self, planned: PlannedRun, at_ms: int) -> bool:
        """Tell whether a trial's run has been ended well; it is made where it is missing."""
        run_id = self.run_of(planned, at_ms, reopen=False, may_link=True)
        return self._client.get_run(run_id).info.status == "FINISHED"

    def log(self, run_id: str, points: Sequence[Metric]) -> None:
        """Write figures, in as few calls as MLflow allows."""
        for start in range(0, len(points), _METRICS_A_CALL):
            self._client.log_batch(run_id, metrics=points[start : start + _METRICS_A_CALL])

    def epochs_of(self, run_id: str) -> set[int]:
        """Return the epochs that a run has; whoever writes one adds it."""
        if run_id not in self._epochs:
            history = self._client.get_metric_history(run_id, "train/loss")
            self._epochs[run_id] = {metric.step for metric in history}
        return self._epochs[run_id]

    def log_json(self, run_id: str, artifacts: Mapping[str, Mapping[str, Any]]) -> None:
        """Write JSON artifacts by path."""
        for path, content in artifacts.items():
            self._client.log_dict(run_id, dict(content), path)

    def complete(self, run_id: str, planned: PlannedRun, at_ms: int) -> None:
        """Write what a finished trial has left on disk and the store has not."""
        result: dict[str, Any] = read_json(planned.run.result_file, LARGE)
        linked = SOURCE_TAG in self._client.get_run(run_id).data.tags
        logged = self.epochs_of(run_id)
        # The epochs of a linked run stand in the run that it was trained in.
        missing = [] if linked else [r for r in result["records"] if int(r["epoch"]) not in logged]
        for record in missing:
            self.log(run_id, metrics(record, int(record["epoch"]), at_ms))
        final = {f"test/{name}": value for name, value in result["summary"].items()}
        final["seconds/run"] = result["seconds"]
        self.log(run_id, metrics(final, len(result["records"]), at_ms))
        # Not all are there without test cases.
        for file in filter(Path.is_file, (planned.run.directory / name for name in TEST_FILES)):
            self._client.log_artifact(run_id, str(file), "test")
        self._client.log_artifact(run_id, str(planned.run.manifest_file))
        self._client.set_tag(run_id, MANIFEST_TAG, sha256_of(planned.run.manifest_file))
        # It may have changed since the run was begun.
        commit = read_json(planned.run.manifest_file).get("commit")
        if commit:
            self._client.set_tag(run_id, COMMIT_TAG, commit)
        self._client.log_artifacts(run_id, str(planned.run.directory / "model"), MODEL_FOLDER)

    def tell_incidents(self, run_id: str, planned: PlannedRun) -> None:
        """Write what went wrong in a trial and was survived: how often, and each in words."""
        file = planned.run.incidents_file
        if file.is_file():
            told = len(read_regular(file, SMALL.most_bytes).decode(errors="replace").splitlines())
            self._client.set_tag(run_id, INCIDENTS_TAG, str(told))
            self._client.log_artifact(run_id, str(file))

    def end(self, run_id: str, state: RunState, at_ms: int, error: str | None = None) -> None:
        """End a run."""
        if error is not None:
            self._client.set_tag(run_id, ERROR_TAG, error[:500])
        self._client.set_tag(run_id, STATE_TAG, state)
        self._client.set_terminated(run_id, STATUS[state], end_time=at_ms)

    def open_parent(self, at_ms: int, *, reopen: bool = True) -> None:
        """Find the run of the study itself, or make it, as `run_of` does a trial's.

        Raises:
            UserError: It runs now, from another workspace.
        """
        parent_run = self._parent_run
        tags = {"voxsiam.kind": parent_run.kind, "voxsiam.study_id": parent_run.request_id}
        found = self._newest(tags)
        if found is None:
            more = parent_run.tags() | _owner_tags() | _source_tags(parent_run.commit)
            more |= {WORKSPACE_TAG: self._identity}
            found = self._create(parent_run.request_id, tags, more, at_ms)
        elif reopen:
            self._join(found)
            self._reopen(found)
        self.parent = found.info.run_id
        if not self._client.list_artifacts(self.parent, parent_run.kind):
            self.log_json(self.parent, {f"{parent_run.kind}/plan.json": parent_run.plan})

    def end_left_runs(self) -> list[str]:
        """Mark as interrupted what says that it goes on while nobody trains it; return its ids.

        Its driver was killed, or its node died. Whoever runs a study holds its lock, which can be
        seen in this workspace alone.
        """
        ended = []
        of_kinds = [f"tags.`voxsiam.kind` = '{kind}'" for kind in ("study", "sweep")]
        for parent in [run for of_kind in of_kinds for run in self._running(of_kind)]:
            request_id = parent.data.tags.get("voxsiam.study_id", "")
            folders = (self._workspace.study(request_id), self._workspace.sweep(request_id))
            ours = [folder for folder in folders if request_id and folder.is_dir()]
            is_this = request_id == self._parent_run.request_id
            if is_this or not ours or any(map(has_driver, ours)):
                continue
            trials = self._running(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
            for run in (*trials, parent):
                self.end(run.info.run_id, "interrupted", now_ms())
            ended.append(request_id)
        return ended

    def _running(self, condition: str) -> list[Run]:
        running = f"attributes.status = 'RUNNING' and {condition}"
        return list(search_runs(self._client, self._experiment, running))

    def _find(self, tags: Mapping[str, str]) -> list[Run]:
        """Return all runs that carry all of these tags, the oldest first."""
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        order = ["start_time ASC"]
        return list(self._client.search_runs([self._experiment], condition, order_by=order))

    def _newest(self, tags: Mapping[str, str]) -> Run | None:
        return next(reversed(self._find(tags)), None)

    def _create(
        self, name: str, identity: Mapping[str, str], tags: Mapping[str, str], at_ms: int
    ) -> Run:
        """Make a run, once: where an answer was lost, MLflow's client has asked again."""
        self._client.create_run(
            self._experiment, start_time=at_ms, run_name=name, tags={**tags, **identity}
        )
        first, *twins = self._find(identity)
        for twin in twins:
            self._client.delete_run(twin.info.run_id)
        return first

    def _join(self, parent: Run) -> None:
        """Go on with what another workspace has run, unless it runs it now."""
        tags = parent.data.tags
        if tags.get(WORKSPACE_TAG, self._identity) == self._identity:
            return
        whose = tags.get(OWNER_TAG, "somebody")
        if parent.info.status == "RUNNING":
            raise UserError(
                f"'{self._parent_run.request_id}' is being run by {whose} from another workspace",
                where=f"run {parent.info.run_id} in MLflow",
                fix="wait for it and look at its report, or ask for something else (--seeds, "
                "--set); if nobody runs it any more, end that run in MLflow's page",
            )
        log.warning("%s goes on in MLflow where %s ended", self._parent_run.request_id, whose)
        self._client.set_tag(parent.info.run_id, WORKSPACE_TAG, self._identity)

    def _reopen(self, run: Run) -> None:
        """Let a run go on: what an earlier attempt came to is no longer said of it."""
        self._client.update_run(run.info.run_id, status="RUNNING")
        for tag in {STATE_TAG, ERROR_TAG} & run.data.tags.keys():
            self._client.delete_tag(run.info.run_id, tag)

    def _describe(self, run: Run, planned: PlannedRun) -> None:
        """Say what a run is; the data set comes last and tells that nothing is missing."""
        if run.inputs is not None and run.inputs.dataset_inputs:
            return
        run_id, plan = run.info.run_id, planned.run
        params = [Param(*pair) for pair in self._parent_run.params_of(planned).items()]
        self._client.log_batch(run_id, params=params)
        self.log_json(
            run_id,
            {
                RECIPE_FILE: plan.recipe.model_dump(mode="json"),
                ENVIRONMENT_FILE: library_versions()
                | {"python": platform.python_version(), "system": platform.platform()},
                SPLIT_FILE: plan.split.model_dump(mode="json"),
            },
        )
        data = self._parent_run.data
        dataset = Dataset(
            name=data.name,
            digest=data.fingerprint,
            source_type="local",
            source='{"kind": "prepared set"}',
            profile=f'{{"kind": "{data.kind}"}}',
        )
        use = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(run_id, [DatasetInput(dataset, [use])])

    def _source_of(self, planned: PlannedRun) -> dict[str, str]:
        """Name the run in which another study has trained this trial."""
        tags = {"voxsiam.kind": "trial", "voxsiam.run": planned.run.run_id}
        found = self._newest(tags)
        if found is None:
            return {}
        source = found.data.tags.get(SOURCE_TAG, found.info.run_id)
        study = found.data.tags.get("voxsiam.study", "another study")
        return {SOURCE_TAG: source, "mlflow.note.content": f"Trained in run {source} of {study}."}


def metrics(figures: Mapping[str, float], step: int, at_ms: int) -> list[Metric]:
    """Turn figures into MLflow's metrics."""
    return [Metric(name, float(value), at_ms, step) for name, value in figures.items()]


def _owner_tags() -> dict[str, str]:
    return dict.fromkeys((OWNER_TAG, USER_TAG), this_owner())


def _source_tags(known: str | None = None) -> dict[str, str]:
    """Name the commit that the code comes from, where that is known."""
    commit = known or source_commit()
    return {COMMIT_TAG: commit} if commit else {}
