"""What MLflow holds about one study, read in bulk."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from voxsiam.types import MOST_ORGANS, PAPER_ORGANS
from voxsiam_dashboards.store.trial_files import Overlay, VoxelFeatures

CURVE_COLUMNS = ("step", "metric", "value")
PREDICTIONS = "test/predictions.npz"


@dataclass(frozen=True, eq=False)
class TrialResult:
    """One training: a row of the table with one seed.

    Attributes:
        run_id: MLflow's name of it.
        status: FINISHED, RUNNING, FAILED, KILLED or SCHEDULED.
        fingerprints: Of the run, recipe, data and split, and the method's version.
        recipe: What was trained, as plain JSON.
        final: Test scores by the keys of `case_scores.summarise`; empty until the end.
        curves: Columns step, metric, value; one value for each metric and step.
        cases: One line for each organ of each test case, as OrganScore.
        keeps_predictions: Whether it left its predictions of all test cases.
        workers: DDP workers; None where it is not told.
        trained_in: Study whose training it is, where that is another one.
    """

    row: str
    seed: int
    run_id: str
    status: str
    fingerprints: dict[str, str]
    recipe: dict[str, Any]
    final: dict[str, float]
    curves: pd.DataFrame
    cases: pd.DataFrame
    overlay: Overlay | None = None
    features: VoxelFeatures | None = None
    keeps_predictions: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    workers: int | None = None
    trained_in: str = ""

    @property
    def finished(self) -> bool:
        """Tell whether the run ended well and left test scores."""
        return self.status == "FINISHED" and bool(self.final)

    def curve(self, metric: str) -> dict[int, float]:
        """Value of a metric at each step; empty where it was not logged."""
        chosen = self.curves["metric"].to_numpy() == metric
        steps, values = (self.curves[name].to_numpy()[chosen] for name in ("step", "value"))
        return dict(zip(map(int, steps), map(float, values), strict=True))

    def case_dsc(self, case_id: str) -> float | None:
        """Mean DSC over the organs of a test case; None where none is defined."""
        dsc = self.cases.loc[self.cases["case_id"] == case_id, "dsc"].dropna()
        return float(dsc.mean()) if len(dsc) else None


def planned_organs(plan: dict[str, Any]) -> tuple[str, ...]:
    """Read the classes from a plan, which may hold anything."""
    organs = plan.get("organs")
    if not isinstance(organs, list) or not 1 <= len(organs) <= MOST_ORGANS:
        return PAPER_ORGANS
    return tuple(dict.fromkeys(str(organ) for organ in organs))


@dataclass(frozen=True, eq=False)
class StudyResults:
    """A study and its trials, one for each row and seed.

    Attributes:
        study: Its name on the command line.
        preset: tiny, mini or paper.
        parent_run_id: MLflow's name of the study's own run.
        fingerprints: Of data and split, with the data's name.
        plan: What the study set out to do; empty where the file is missing.
        trials: Sorted by row and seed.
        notes: What was missing or odd while reading.
        unread: Of them, what a finished run must have and could not be read.
    """

    study: str
    preset: str
    study_id: str
    experiment_id: str
    parent_run_id: str
    plan: dict[str, Any]
    trials: tuple[TrialResult, ...]
    fingerprints: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def organs(self) -> tuple[str, ...]:
        """The classes of its data, as its plan says; the paper's where it says none."""
        return planned_organs(self.plan)
