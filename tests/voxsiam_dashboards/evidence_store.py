"""A study whose every number can be checked: real scores, manifests, names and a written report."""

import json
from pathlib import Path

import torch

from tests.voxsiam_dashboards.study_store import STUDY_ID, TABLE, open_client, write_study
from voxsiam.durable_files import sha256_of
from voxsiam.orchestration.runs.environment import this_environment
from voxsiam.orchestration.runs.manifest import RunManifest
from voxsiam.orchestration.runs.plan import RunData, run_identity, split_fingerprint
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import Split
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.store.results import find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table

SPLIT = Split(train=("a", "b"), test=("000", "001", "002"))
DATA = RunData(
    fingerprint="d" * 16, name="phantom-30", kind="phantom",
    preparation=PreparationConfig(grid_dhw=(32, 32, 32)),
)  # fmt: skip


class EvidenceStore:
    """A store, its report, and where the files of its runs lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client, self.uri = open_client(folder)
        write_study(self.client, folder)
        self.results = load_study(self.uri, find_study(self.uri, STUDY_ID))
        self.finished = [trial for trial in self.results.trials if trial.finished]
        for trial in self.finished:
            self._make_checkable(trial)
        self._link(self.finished[0].run_id)
        self.results = load_study(self.uri, find_study(self.uri, STUDY_ID))
        self.report = folder / "reports" / "table3"
        write_report(build_table(TABLE, self.results), self.report)

    def artifact(self, run_id: str, name: str) -> Path:
        return self.folder / "artifacts" / run_id / "artifacts" / name

    def original(self, identity: str) -> Path:
        """The folder in which a run was trained."""
        return self.folder / "runs" / identity

    def _make_checkable(self, trial) -> None:
        recipe = Recipe.model_validate(trial.recipe)
        identity = run_identity(recipe, trial.seed, SPLIT, DATA.fingerprint)
        tags = {"run": identity, "split": split_fingerprint(SPLIT)}
        for name, value in (tags | {"method_version": str(METHOD_VERSION)}).items():
            self.client.set_tag(trial.run_id, f"voxsiam.{name}", value)
        self.client.log_dict(trial.run_id, SPLIT.model_dump(mode="json"), "config/split.json")
        names = ("cases.csv", "overlay.npz")
        files = {name: self.artifact(trial.run_id, f"test/{name}") for name in names}
        manifest = RunManifest(
            run_id=identity, method_version=METHOD_VERSION, recipe=recipe, seed=trial.seed,
            split=SPLIT, data=DATA, taught=(), workers=2,
            environment=this_environment(torch.device("cpu")),
            files={name: sha256_of(path) for name, path in files.items()},
            summary={k: v for k, v in trial.final.items() if v == v}, last_record={"epoch": 6.0},
        )  # fmt: skip
        text = json.dumps(manifest.model_dump(mode="json"))
        self.client.log_text(trial.run_id, text, "manifest.json")
        original = self.original(identity)
        original.mkdir(parents=True)
        (original / "cases.csv").write_bytes(files["cases.csv"].read_bytes())

    def _link(self, run_id: str) -> None:
        """Say that a run was trained in another study's run."""
        experiment = self.client.get_run(run_id).info.experiment_id
        self.source = self.client.create_run(experiment).info.run_id
        self.client.set_tag(run_id, "voxsiam.source_run", self.source)
