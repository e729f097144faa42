"""The single writer of MLflow runs: a parent for a study or sweep, a child per (row, seed)."""

import json
import logging
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.orchestration.environment import library_versions
from voxsiam.orchestration.ledger import TrialPlan, TrialState
from voxsiam.orchestration.run_files import TEST_FILES
from voxsiam.orchestration.run_plan import RunData, split_fingerprint
from voxsiam.orchestration.tracking.find import EXPERIMENT, MODEL_FOLDER, SOURCE_TAG, find_run
from voxsiam.orchestration.tracking.job import TrackedJob
from voxsiam.orchestration.tracking.trial_note import trial_tags
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.config import METHOD_VERSION, flatten
from voxsiam.training.context import Record

STATUS = {
    "finished": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}

log = logging.getLogger(__name__)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


class StudyTracker:
    """Keeps a study or a sweep in MLflow; opening it again continues the same runs.

    Metrics are written as they come. What could not be written then, because the tracking server
    was away or the driver was killed, is written when the trial ends, from its result on disk.

    Args:
        workspace: Holds the store unless MLFLOW_TRACKING_URI names a server.
        job: The study or sweep.
    """

    def __init__(self, workspace: Workspace, job: TrackedJob) -> None:
        self._job = job
        self._client = MlflowClient(workspace.tracking_uri)
        self._experiment = _experiment_id(self._client, workspace)
        self.parent = self._open_parent()
        self._runs: dict[tuple[str, str], str] = {}

    def trial_started(self, trial: TrialPlan) -> None:
        """Open the trial's run, or its run of an earlier attempt."""
        with _put_off("trial's start"):
            self._run_of(trial, may_link=trial.run.result_file.exists())

    def epoch_done(self, trial: TrialPlan, record: Record) -> None:
        """Write one epoch's figures in one batch."""
        with _put_off("epoch"):
            self._log(self._run_of(trial), record, int(record["epoch"]))

    def trial_ended(self, trial: TrialPlan, state: TrialState, error: str | None) -> None:
        """Complete the run from the trial's files and end it."""
        with _put_off("trial's end"):
            run = self._run_of(trial)
            if state == "finished":
                self._complete(run, trial)
            if error is not None:
                self._client.set_tag(run, "voxsiam.error", error[:500])
            self._client.set_tag(run, "voxsiam.state", state)
            self._client.set_terminated(run, STATUS[state])

    def complete_finished(self, finished: list[TrialPlan]) -> None:
        """Make sure that trials which finished while nobody listened are in the store.

        What another study has trained gets a run that links to the one it was trained in.
        """
        for trial in finished:
            with _put_off("finished trial"):
                run = self._client.get_run(self._run_of(trial, reopen=False, may_link=True))
                if run.info.status != "FINISHED":
                    self.trial_ended(trial, "finished", None)

    def study_ended(self, state: TrialState) -> None:
        """End the parent run."""
        with _put_off("study's end"):
            self._client.set_tag(self.parent, "voxsiam.state", state)
            self._client.set_terminated(self.parent, STATUS[state])

    def log_parent(
        self, figures: Record, step: int, artifacts: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Write figures and JSON artifacts of the parent run.

        Args:
            figures: By name.
            step: To which they belong.
            artifacts: Contents by path.
        """
        with _put_off("study's figures"):
            self._log(self.parent, figures, step)
            for path, content in artifacts.items():
                self._client.log_dict(self.parent, dict(content), path)

    def _open_parent(self) -> str:
        job = self._job
        tags = {"voxsiam.kind": job.kind, "voxsiam.study_id": job.job_id}
        found = find_run(self._client, self._experiment, tags)
        if found is not None:
            self._client.update_run(found.info.run_id, status="RUNNING")
            return found.info.run_id
        tags |= {
            "voxsiam.study": job.name,
            "voxsiam.preset": job.preset,
            "voxsiam.data": job.data.fingerprint,
            "voxsiam.data_name": job.data.name,
            "voxsiam.split": split_fingerprint(job.split),
            "mlflow.note.content": job.note,
        } | _source_tags()
        run = self._client.create_run(self._experiment, run_name=job.job_id, tags=tags)
        self._client.log_dict(run.info.run_id, dict(job.plan), f"{job.kind}/plan.json")
        return run.info.run_id

    def _run_of(self, trial: TrialPlan, *, reopen: bool = True, may_link: bool = False) -> str:
        # Two rows may share a run: small shares of the labels can be the same cases.
        key = (trial.row, trial.run.run_id)
        if key in self._runs:
            return self._runs[key]
        tags = {"voxsiam.row": trial.row, "voxsiam.run": trial.run.run_id}
        tags["mlflow.parentRunId"] = self.parent
        found = find_run(self._client, self._experiment, tags)
        if found is None:
            run_id = self._create_run(trial, tags | (self._source_of(trial) if may_link else {}))
        else:
            run_id = found.info.run_id
            if reopen:
                self._client.update_run(run_id, status="RUNNING")
        self._runs[key] = run_id
        return run_id

    def _source_of(self, trial: TrialPlan) -> dict[str, str]:
        """Name the run in which another study has trained this trial."""
        tags = {"voxsiam.kind": "trial", "voxsiam.run": trial.run.run_id}
        found = find_run(self._client, self._experiment, tags)
        if found is None:
            return {}
        source = found.data.tags.get(SOURCE_TAG, found.info.run_id)
        study = found.data.tags.get("voxsiam.study", "another study")
        return {SOURCE_TAG: source, "mlflow.note.content": f"Trained in run {source} of {study}."}

    def _create_run(self, trial: TrialPlan, tags: dict[str, str]) -> str:
        run, recipe = trial.run, trial.run.recipe
        tags = (
            trial_tags(trial, self._job.name, self._job.preset)
            | tags
            | {
                "voxsiam.kind": "trial",
                "voxsiam.study": self._job.name,
                "voxsiam.row": trial.row,
                "voxsiam.seed": str(run.seed),
                "voxsiam.recipe": recipe.fingerprint(),
                "voxsiam.data": run.data.fingerprint,
                "voxsiam.split": split_fingerprint(run.split),
                "voxsiam.method_version": str(METHOD_VERSION),
            }
            | _source_tags()
        )
        name = f"{trial.row} s{run.seed}"
        run_id = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        params = flatten(recipe.model_dump(mode="json")) | {"seed": run.seed, "row": trial.row}
        params["workers"] = self._job.workers
        self._client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
        self._client.log_dict(run_id, recipe.model_dump(mode="json"), "config/recipe.json")
        self._client.log_dict(run_id, _environment(), "config/environment.json")
        self._client.log_dict(run_id, run.split.model_dump(mode="json"), "config/split.json")
        self._client.log_inputs(run_id, _dataset_inputs(self._job.data))
        return run_id

    def _complete(self, run_id: str, trial: TrialPlan) -> None:
        result: dict[str, Any] = json.loads(trial.run.result_file.read_text())
        linked = SOURCE_TAG in self._client.get_run(run_id).data.tags
        logged = {m.step for m in self._client.get_metric_history(run_id, "train/loss")}
        # The epochs of a linked run stand in the run that it was trained in.
        for record in result["records"] if not linked else ():
            if int(record["epoch"]) not in logged:
                self._log(run_id, record, int(record["epoch"]))
        final = {f"test/{name}": value for name, value in result["summary"].items()}
        self._log(run_id, final | {"seconds/run": result["seconds"]}, len(result["records"]))
        # Not all are there without test cases, or in the folder of an older run.
        for file in filter(Path.is_file, (trial.run.directory / name for name in TEST_FILES)):
            self._client.log_artifact(run_id, str(file), "test")
        # Runs that finished before there were manifests have none.
        if trial.run.manifest_file.exists():
            self._client.log_artifact(run_id, str(trial.run.manifest_file))
        self._client.log_artifacts(run_id, str(trial.run.directory / "model"), MODEL_FOLDER)

    def _log(self, run_id: str, record: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in record.items()]
        self._client.log_batch(run_id, metrics=metrics)


@contextmanager
def _put_off(what: str) -> Iterator[None]:
    """Let the study go on without its tracking; what is missing is written later."""
    try:
        yield
    except (MlflowException, OSError) as error:
        # OSError: an artifact that finds no room on the disk.
        log.warning("%s not tracked now, it is written later: %s", what, error)


def _experiment_id(client: MlflowClient, workspace: Workspace) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return found.experiment_id
    local = workspace.tracking_uri.startswith("sqlite:")
    location = workspace.artifacts.as_uri() if local else None
    return client.create_experiment(EXPERIMENT, artifact_location=location)


def _dataset_inputs(data: RunData) -> list[DatasetInput]:
    dataset = Dataset(
        name=data.name,
        digest=data.fingerprint,
        source_type="local",
        source='{"kind": "prepared set"}',
        profile=f'{{"kind": "{data.kind}"}}',
    )
    return [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]


def _environment() -> dict[str, str]:
    return library_versions() | {"python": platform.python_version(), "system": platform.platform()}


def _source_tags() -> dict[str, str]:
    """Name the commit that the code comes from, where it comes from a checkout."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"mlflow.source.git.commit": found.stdout.strip()} if found.returncode == 0 else {}
