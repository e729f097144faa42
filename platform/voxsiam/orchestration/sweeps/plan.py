"""What a search sets out to do, and one point of it."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import RunData, RunState
from voxsiam.orchestration.sweeps.space import SearchSpace, Value
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam.types import Frozen, Shape, Split, organ_words

Objective = Annotated[str, StringConstraints(pattern=r"^(dsc(/[\w.-]+)?|seconds)$")]
"""`dsc`: of the inner validation cases after the last epoch, `dsc/liver` of an organ alone;
`seconds`: training time of a run."""

Sampler = Literal["tpe", "gp", "qmc", "random", "grid"]


def direction(objective: Objective) -> Literal["maximize", "minimize"]:
    """Tell which way is better."""
    return "minimize" if objective == "seconds" else "maximize"


def score_title(objective: Objective) -> str:
    """Name an objective as a table or an axis does."""
    if objective == "seconds":
        return "Training time of a run (s)"
    organ = organ_words(objective.partition("/")[2])
    return f"Validation DSC of the {organ}" if organ else "Validation DSC"


def score_of(objectives: tuple[Objective, ...]) -> Objective:
    """Return what curves show and ASHA ranks by: the first that is a score, else `dsc`."""
    return next((each for each in objectives if each != "seconds"), "dsc")


SETTLED: tuple[RunState, ...] = ("finished", "stopped", "failed")
"""States from which a trial does not go on."""


class Budget(Frozen):
    """When a search ends; whichever comes first.

    Attributes:
        trials: That have been begun.
        hours: Of search, all sessions together.
        gpu_hours: The same times the GPUs that were held.
    """

    trials: int | None = Field(default=None, ge=1)
    hours: float | None = Field(default=None, gt=0)
    gpu_hours: float | None = Field(default=None, gt=0)


class SweepPlan(Frozen):
    """Everything a driver needs to run, or go on with, a search.

    Attributes:
        sweep: Its name on the command line.
        title: What it asks.
        is_printed: Whether its recipe is that of the paper.
        sweep_id: Folder name: equal requests have equal ids, whatever their budgets.
        split: Training and inner validation cases; no test case can reach an objective.
        held_out: Test cases, for the winner; no run of the search holds them.
        gpu_share: Part of a GPU that a worker holds, where there are GPUs.
        objectives: What is searched for; the first decides which trial wins.
        seeds: Trainings of each trial.
        final_seeds: Trainings of the winner.
        stop_early: Whether trials that fall behind are stopped (ASHA).
        notes: What the reports must say.
        method_version: Of the method that began it; 2 where an older plan does not say.
    """

    sweep: str
    title: str = ""
    is_printed: bool = True
    sweep_id: str
    preset: str
    prepared: Path
    data: RunData
    split: Split
    held_out: tuple[str, ...] = ()
    final_seeds: int = 1
    grid_dhw: Shape
    workers: int
    gpu_share: float = 1.0
    space: SearchSpace
    objectives: tuple[Objective, ...] = ("dsc",)
    seeds: int = 1
    sampler: Sampler = "tpe"
    stop_early: bool = True
    taught: tuple[str, ...]
    notes: tuple[str, ...] = ()
    method_version: int = 2

    @property
    def score(self) -> Objective:
        """What curves show and ASHA ranks by."""
        return score_of(self.objectives)

    def require_this_method(self) -> None:
        """Refuse to go on with what another version of the method began: scores would mix."""
        if self.method_version != METHOD_VERSION:
            raise UserError(
                "this sweep was begun by another version of the method",
                where=self.sweep_id,
                fix=f"start it anew: voxsiam sweep run {self.sweep}, or use the version that "
                "began it",
            )


class SweepTrial(Frozen):
    """One point of the space.

    Attributes:
        number: From 0, in the order of suggestion.
        values: By the settings' names.
        curve: The sweep's score by epoch, of the first seed.
        objectives: Means over the seeds, `dsc` and `seconds` among them; empty unless finished.
    """

    number: int
    values: dict[str, Value]
    seeds: tuple[int, ...]
    state: RunState = "pending"
    curve: dict[int, float] = Field(default_factory=dict)
    objectives: dict[Objective, float] = Field(default_factory=dict)
    error: str | None = None

    @property
    def label(self) -> str:
        """How people see it."""
        return f"trial {self.number}"

    def last_score(self, score: Objective) -> float:
        """Return its score: the objective, or that of the last epoch that it has seen, else NaN."""
        return self.objectives.get(score, self.curve.get(max(self.curve, default=0), math.nan))


class Spent(Frozen):
    """What a search has cost so far, all sessions together."""

    seconds: float = 0.0
    gpu_seconds: float = 0.0
