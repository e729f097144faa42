"""What MLflow holds about one sweep."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from voxsiam.errors import UserError
from voxsiam.orchestration.sweeps.plan import Budget, Spent, SweepTrial, score_of
from voxsiam.orchestration.sweeps.space import Setting
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam_dashboards.store.trial_files import read_object


@dataclass(frozen=True)
class SweepResults:
    """A sweep and its trials, in the order of suggestion.

    Attributes:
        parent_run_id: MLflow's name of its own run.
        settings: What was varied.
        best: Number of the winner.
    """

    sweep_id: str
    parent_run_id: str
    plan: dict[str, Any]
    settings: tuple[Setting, ...]
    trials: tuple[SweepTrial, ...]
    best: int | None
    spent: Spent
    budget: Budget

    @property
    def score(self) -> str:
        """Which figure tells how good a trial is: the first objective but for the time."""
        return score_of(tuple(map(str, self.plan.get("objectives", ()))))

    @property
    def other(self) -> str:
        """What a trial's score is weighed against: the other objective, else the time."""
        named = (str(name) for name in self.plan.get("objectives", ()))
        return next((name for name in named if name != self.score), "seconds")

    @property
    def finished(self) -> tuple[SweepTrial, ...]:
        """The trials that were trained to the end: only they can be compared."""
        return tuple(trial for trial in self.trials if trial.state == "finished")


def load_sweep(tracking_uri: str, sweep_id: str) -> SweepResults:
    """Read a sweep; a UserError where there is none of this name, or its files are damaged."""
    parent, plan, found = _read_files(tracking_uri, sweep_id)
    try:
        return SweepResults(
            sweep_id=sweep_id,
            parent_run_id=parent,
            plan=plan,
            settings=tuple(map(Setting.model_validate, plan["settings"])),
            trials=tuple(map(SweepTrial.model_validate, found["trials"])),
            best=found["best"],
            spent=Spent.model_validate(found["spent"]),
            budget=Budget.model_validate(found["budget"]),
        )
    except (ValidationError, KeyError, TypeError) as error:
        raise UserError(
            f"the sweep's files cannot be used ({error!s:.80})",
            where=f"run {parent} in {tracking_uri}",
            fix="write them again: voxsiam sweep resume NAME",
        ) from None


def _read_files(tracking_uri: str, sweep_id: str) -> tuple[str, dict, dict]:
    """Return a sweep's parent run, its plan and its trials, as plain JSON."""
    reader = RunReader(tracking_uri)
    for run in reader.search("tags.`voxsiam.kind` = 'sweep'"):
        if run.data.tags.get("voxsiam.study_id") == sweep_id:
            names = ("sweep/plan.json", "sweep/trials.json")
            plan, trials = (reader.read(run, name, read_object) for name in names)
            if plan is not None and trials is not None:
                return run.info.run_id, plan, trials
    raise UserError(
        f"no trial of the sweep '{sweep_id}' has ended yet",
        where=tracking_uri,
        fix="go on with it: voxsiam sweep resume NAME",
    )
