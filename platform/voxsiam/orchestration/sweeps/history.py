"""What Optuna knows of a sweep: rebuilt from the ledger at every start, so nothing can be lost.

The database is a view for optuna-dashboard; the ledger is the truth. A trial that was stopped early
is PRUNED with its curve, so that the sampler does not take a short training for a whole one.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import DIRECTIONS, SETTLED, SweepTrial
from voxsiam.orchestration.sweeps.space import Value

DATABASE = "optuna.db"
STARTUP_TRIALS = 5
"""Drawn at random before TPE has anything to go by; Optuna's 10 are more than a small sweep has."""

_STATES = {
    "finished": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class SearchHistory:
    """Suggests points and remembers what came of them.

    Args:
        ledger: Of the sweep; what it holds is known from the start.
    """

    def __init__(self, ledger: SweepLedger) -> None:
        self._plan, self._open = ledger.plan, dict[int, Trial]()
        self._distributions = ledger.plan.space.distributions()
        self._study = _new_study(ledger)
        for trial in ledger.trials:
            if trial.state in SETTLED:
                self._study.add_trial(self._settled(trial))
        for trial in ledger.unfinished():
            self._study.enqueue_trial(trial.values)
            self._open[trial.number] = self._ask(trial.number)
            for epoch, dsc in trial.curve.items():
                self.report(trial.number, epoch, dsc)

    def suggest(self, number: int) -> dict[str, Value]:
        """Return the values of the next trial; the first is the recipe as it is.

        They follow from the number and what is known, so a resumed search goes on as the unbroken
        one would.
        """
        if number == 0:
            self._study.enqueue_trial(self._plan.space.base_values())
        self._open[number] = trial = self._ask(number)
        return {name: trial.params[name] for name in self._distributions}

    def report(self, number: int, epoch: int, dsc: float) -> None:
        """Tell Optuna an epoch's score."""
        if self._tells_curves:
            self._open[number].report(dsc, epoch)

    def end(self, trial: SweepTrial) -> None:
        """Tell Optuna how a trial ended."""
        asked = self._open.pop(trial.number)
        asked.set_user_attr("state", trial.state)
        if trial.error:
            asked.set_user_attr("error", trial.error)
        state = _optuna_state(trial, len(self._plan.objectives))
        self._study.tell(asked, self._values(trial), state)

    @property
    def _tells_curves(self) -> bool:
        """With several objectives Optuna has no place for them; it would take them for times."""
        return self._plan.objectives == ("dsc",)

    def _ask(self, number: int) -> Trial:
        self._study.sampler = _sampler(self._plan.sampler, number)
        trial = self._study.ask(self._distributions)
        trial.set_user_attr("trial", number)
        return trial

    def _values(self, trial: SweepTrial) -> list[float] | None:
        if trial.state != "finished":
            return None
        return [trial.objectives[name] for name in self._plan.objectives]

    def _settled(self, trial: SweepTrial) -> FrozenTrial:
        values, objectives = self._values(trial), len(self._plan.objectives)
        told = trial if self._tells_curves else trial.model_copy(update={"curve": {}})
        return settled_trial(told, self._distributions, values, objectives)


def settled_trial(
    trial: SweepTrial,
    distributions: Mapping[str, BaseDistribution],
    values: list[float] | None,
    objectives: int = 1,
) -> FrozenTrial:
    """Describe to Optuna a trial that has ended.

    Args:
        values: Its objectives; None unless it was trained to the end.
        objectives: How many the search has.
    """
    return create_trial(
        state=_optuna_state(trial, objectives),
        values=values,
        params=dict(trial.values),
        distributions=dict(distributions),
        intermediate_values=dict(trial.curve),
        user_attrs={"trial": trial.number, "state": trial.state},
    )


def _optuna_state(trial: SweepTrial, objectives: int) -> TrialState:
    """Name a trial's end in Optuna's words; with several objectives it knows no PRUNED."""
    state = _STATES[trial.state]
    return TrialState.FAIL if state == TrialState.PRUNED and objectives > 1 else state


def _new_study(ledger: SweepLedger) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database: Path = ledger.folder / DATABASE
    database.unlink(missing_ok=True)
    return optuna.create_study(
        storage=f"sqlite:///{database}",
        study_name=ledger.plan.sweep_id,
        directions=[DIRECTIONS[name] for name in ledger.plan.objectives],
    )


def _sampler(name: str, number: int) -> BaseSampler:
    if name == "random":
        return RandomSampler(seed=number)
    return TPESampler(seed=number, n_startup_trials=STARTUP_TRIALS)
