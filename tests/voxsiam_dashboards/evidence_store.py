"""A study whose every number can be checked: a sealed plan, real scores, manifests and a report."""

import json
from pathlib import Path

import torch
from mlflow.entities import Dataset, DatasetInput, Metric, Param

from tests.voxsiam_dashboards.prepared_cases import write_prepared
from tests.voxsiam_dashboards.study_store import (
    STUDY_ID,
    TABLE,
    TRIALS,
    open_client,
    write_study,
)
from voxsiam.durable_files import sha256_of, write_json
from voxsiam.orchestration.runs.manifest import RunManifest, hash_results, this_environment
from voxsiam.orchestration.runs.plan import PlannedRun, RunData, RunPlan, run_identity
from voxsiam.orchestration.runs.result_files import (
    TEST_FILES,
    write_epochs,
)
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan
from voxsiam.orchestration.tracking.names import COMMIT_TAG, MANIFEST_TAG, REPORT_TAG
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import Split
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_dashboards.reports.seal import SEAL
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table

SPLIT = Split(train=("a", "b"), test=("000", "001", "002"))
DATA = RunData(
    fingerprint="d" * 16, name="phantom-30", kind="phantom",
    preparation=PreparationConfig(grid_dhw=(32, 32, 32)),
)  # fmt: skip
COMMIT = "c" * 40


class EvidenceStore:
    """A store, its report, its ledger, and where the files of its runs lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace(folder)
        self.client, self.uri = open_client(folder)
        self.parent = write_study(self.client, folder)
        prepared = write_prepared(folder / "prepared")
        self.prepared = prepared.model_copy(update={"fingerprint": DATA.fingerprint})
        results = load_study(self.uri, find_study(self.uri, STUDY_ID))
        self.finished = [trial for trial in results.trials if trial.finished]
        self.ledger = Ledger.create(self.workspace, self._plan())
        self.parent_run = parent_of_study(self.ledger.plan, self.ledger.commit)
        self._describe_study()
        for trial in self.finished:
            self._make_checkable(trial)
        self._link(self.finished[0].run_id)
        self.results = load_study(self.uri, find_study(self.uri, STUDY_ID))
        self.report = self.workspace.report(STUDY_ID)
        self.write_report()

    def write_report(self) -> None:
        self.results = load_study(self.uri, find_study(self.uri, STUDY_ID))
        write_report(build_table(TABLE, self.results), self.report)
        self.client.set_tag(self.parent, REPORT_TAG, sha256_of(self.report / SEAL))

    def artifact(self, run_id: str, name: str) -> Path:
        return self.folder / "artifacts" / run_id / "artifacts" / name

    def original(self, identity: str) -> Path:
        """The folder in which a run was trained."""
        return self.workspace.run(identity)

    def planned(self, trial) -> PlannedRun:
        return next(
            t for t in self.ledger.plan.trials if (t.row, t.run.seed) == (trial.row, trial.seed)
        )

    def _plan(self) -> StudyPlan:
        trials = []
        for trial in TRIALS:
            rows = {row.label: row.recipe for row in TABLE.rows}
            identity = run_identity(rows[trial.row], trial.seed, SPLIT, DATA.fingerprint)
            run = RunPlan(
                recipe=rows[trial.row], seed=trial.seed, split=SPLIT, data=DATA,
                directory=self.original(identity), taught=(),
            )  # fmt: skip
            trials.append(PlannedRun(row=trial.row, run=run))
        return StudyPlan(
            study="table3", study_id=STUDY_ID, preset="mini", prepared=self.prepared.root,
            data_name=DATA.name, data_kind=DATA.kind, grid_dhw=(24, 32, 32), workers=2,
            trials=tuple(trials), notes=("A note <b>.",),
        )  # fmt: skip

    def _describe_study(self) -> None:
        for name, value in self.parent_run.tags().items():
            self.client.set_tag(self.parent, name, value)
        if self.parent_run.commit:
            self.client.set_tag(self.parent, COMMIT_TAG, self.parent_run.commit)
        self.client.log_dict(self.parent, dict(self.parent_run.plan), "study/plan.json")

    def _make_checkable(self, trial) -> None:
        planned, run_id = self.planned(trial), trial.run_id
        tags = self.parent_run.tags_of(planned) | {
            "voxsiam.state": "finished",
            COMMIT_TAG: COMMIT,
        }
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        params = [Param(*pair) for pair in self.parent_run.params_of(planned).items()]
        profile = f'{{"kind": "{DATA.kind}"}}'
        dataset = Dataset(DATA.name, DATA.fingerprint, "local", "{}", profile=profile)
        self.client.log_batch(run_id, params=params, metrics=[Metric("seconds/run", 9.5, 1, 6)])
        self.client.log_inputs(run_id, [DatasetInput(dataset, [])])
        self.client.log_dict(run_id, SPLIT.model_dump(mode="json"), "config/split.json")
        self._seal_run(trial, planned)

    def _seal_run(self, trial, planned: PlannedRun) -> None:
        folder, run_id = planned.run.directory, trial.run_id
        folder.mkdir(parents=True)
        write_epochs(folder, self._records(run_id))
        for name in TEST_FILES:
            kept = self.artifact(run_id, f"test/{name}")
            if kept.exists():
                (folder / name).write_bytes(kept.read_bytes())
        self.client.log_artifact(run_id, str(folder / "epochs.csv"), "test")
        environment = this_environment(torch.device("cpu"))
        recorded = environment.libraries | {"python": environment.python}
        self.client.log_dict(run_id, recorded, "config/environment.json")
        manifest = RunManifest(
            run_id=planned.run.run_id, method_version=METHOD_VERSION,
            recipe=Recipe.model_validate(trial.recipe), seed=trial.seed, split=SPLIT, data=DATA,
            taught=(), workers=2, environment=environment, files=hash_results(folder),
            summary={k: v for k, v in trial.final.items() if v == v}, last_record={"epoch": 6.0},
            seconds=9.5, commit=COMMIT,
        )  # fmt: skip
        file = planned.run.manifest_file
        file.write_text(json.dumps(manifest.model_dump(mode="json")))
        self.client.log_artifact(run_id, str(file))
        self.client.set_tag(run_id, MANIFEST_TAG, sha256_of(file))
        write_json(planned.run.result_file, {})

    def _records(self, run_id: str) -> list[dict[str, float]]:
        names = [n for n in self.client.get_run(run_id).data.metrics if not n.startswith("test/")]
        records: dict[int, dict[str, float]] = {}
        for name in names:
            for point in self.client.get_metric_history(run_id, name):
                if name != "seconds/run":
                    records.setdefault(point.step, {"epoch": float(point.step)})[name] = point.value
        self.client.log_batch(
            run_id, metrics=[Metric("epoch", float(step), 1000 * step, step) for step in records]
        )
        return [records[step] for step in sorted(records)]

    def _link(self, run_id: str) -> None:
        """Say that a run was trained in another study's run, which holds its epochs too."""
        run = self.client.get_run(run_id)
        self.source = self.client.create_run(run.info.experiment_id).info.run_id
        points = [
            point
            for name in run.data.metrics
            if not name.startswith("test/") and name != "seconds/run"
            for point in self.client.get_metric_history(run_id, name)
        ]
        metrics = [Metric(p.key, p.value, p.timestamp, p.step) for p in points]
        self.client.log_batch(self.source, metrics=metrics)
        self.client.set_tag(run_id, "voxsiam.source_run", self.source)
