"""A study of three rows on made-up volumes."""

import json
import os
from dataclasses import replace
from pathlib import Path

from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.orchestration.runs.plan import PlannedRun, RunData, RunPlan, run_identity
from voxsiam.orchestration.studies.ledger import StudyPlan
from voxsiam.orchestration.workspace import Workspace
from voxsiam.types import NativeReference, Split, Volume
from voxsiam.volumes.preparation_config import PreparationConfig

SPLIT = Split(train=tuple("abcdef"), validation=("v",), test=("t", "u"))


def make_run(workspace: Workspace, *, layers: int = 1, epochs: int = 3, seed: int = 0) -> RunPlan:
    """One run in a workspace."""
    recipe = make_recipe(layers=layers, epochs=epochs)
    identity = run_identity(recipe, seed, SPLIT, "toy")
    return RunPlan(
        recipe=recipe,
        seed=seed,
        split=SPLIT,
        data=RunData(
            fingerprint="toy",
            name="toy",
            kind="phantom",
            preparation=PreparationConfig(grid_dhw=(16, 16, 16)),
        ),
        directory=workspace.run(identity),
    )


def make_plan(workspace: Workspace, *, workers: int = 1, rows: int = 3) -> StudyPlan:
    """Rows of one, two and three layers, one seed."""
    trials = tuple(
        PlannedRun(row=f"feature ({layers})", run=make_run(workspace, layers=layers))
        for layers in range(1, rows + 1)
    )
    return StudyPlan(
        study="table3",
        study_id="table3-toy",
        preset="tiny",
        prepared=workspace.root / "prepared",
        data_name="toy",
        data_kind="phantom",
        grid_dhw=(16, 16, 16),
        workers=workers,
        trials=trials,
    )


def losses(run: RunPlan) -> list[float]:
    """Training loss of each epoch of a finished run."""
    return [record["train/loss"] for record in json.loads(run.result_file.read_text())["records"]]


class ToyCases:
    """Made-up volumes; the scan's own grid has twice the slices."""

    def __call__(self, case_id: str) -> Volume:
        return make_volume(case_id)

    def native(self, case_id: str) -> NativeReference:
        volume = make_volume(case_id)
        d, h, w = volume.spacing_mm
        label = volume.label.repeat(2, axis=0)
        return NativeReference(label, (d / 2, h, w), (slice(0, 32), slice(0, 16), slice(0, 16)))


class DieOnce(ToyCases):
    """Reads cases; ends the worker process, once, after so many reads of one case.

    Args:
        flag: File that remembers the death.
    """

    def __init__(self, flag: Path, case_id: str, reads: int) -> None:
        self.flag, self.case_id, self.left = flag, case_id, reads

    def __call__(self, case_id: str) -> Volume:
        self.left -= case_id == self.case_id
        if self.left < 0 and not self.flag.exists():
            self.flag.touch()
            os._exit(1)
        return make_volume(case_id)


class Spoiled(ToyCases):
    """Reads cases; one of them holds what is no number."""

    def __call__(self, case_id: str) -> Volume:
        volume = make_volume(case_id)
        if case_id != "c":
            return volume
        return replace(volume, image=volume.image * float("nan"))


class Recorder:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.epochs: list[int] = []
        self.errors: list[str | None] = []
        self.incidents: list[str] = []

    def incident(self, planned, text):
        self.incidents.append(text)

    def run_started(self, planned):
        self.events.append((planned.row, "started"))

    def epoch_done(self, planned, record):
        self.epochs.append(int(record["epoch"]))

    def run_ended(self, planned, state, error):
        self.events.append((planned.row, state))
        self.errors.append(error)
