"""What Optuna knows of a sweep: rebuilt from the ledger at every start, so nothing can be lost.

The database is a view for optuna-dashboard; the ledger is the truth. A trial that was stopped early
is PRUNED with its curve, so that the sampler does not take a short training for a whole one.
"""

import logging
from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SETTLED, Objective, SweepPlan, SweepTrial, direction
from voxsiam.orchestration.sweeps.space import Value
from voxsiam.orchestration.workspace import sqlite_address

DATABASE = "optuna.db"
STARTUP_TRIALS = 5
"""Drawn at random before TPE has anything to go by; Optuna's 10 are more than a small sweep has."""


class SearchHistory:
    """Suggests points and remembers what came of them, and what the ledger holds."""

    def __init__(self, ledger: SweepLedger) -> None:
        self._plan, self._open = ledger.plan, dict[int, Trial]()
        self._distributions = ledger.plan.space.distributions()
        self._study = _new_study(ledger)
        for trial in ledger.trials:
            if trial.state in SETTLED:
                told = settled_trial(trial, self._distributions, self._plan.objectives)
                self._study.add_trial(told)
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
        if self._plan.sampler == "grid":
            self._study.enqueue_trial(self._plan.space.grid()[number])
        elif number == 0:
            self._study.enqueue_trial(self._plan.space.base_values())
        elif self._plan.sampler == "qmc":
            self._study.enqueue_trial(_point_of_sequence(number, self._distributions))
        self._open[number] = trial = self._ask(number)
        return {name: trial.params[name] for name in self._distributions}

    def report(self, number: int, epoch: int, dsc: float) -> None:
        """Tell Optuna an epoch's score."""
        if has_curves(self._plan.objectives):
            self._open[number].report(dsc, epoch)

    def end(self, trial: SweepTrial) -> None:
        """Tell Optuna how a trial ended."""
        asked = self._open.pop(trial.number)
        asked.set_user_attr("state", trial.state)
        if trial.error:
            asked.set_user_attr("error", trial.error)
        state, values = _outcome(trial, self._plan.objectives)
        self._study.tell(asked, values, state)

    def _ask(self, number: int) -> Trial:
        self._study.sampler = _sampler(self._plan, number)
        trial = self._study.ask(self._distributions)
        trial.set_user_attr("trial", number)
        return trial


def has_curves(objectives: tuple[Objective, ...]) -> bool:
    """Tell whether Optuna takes scores by epoch; with two it would take them for times."""
    return len(objectives) == 1 and objectives != ("seconds",)


def settled_trial(
    trial: SweepTrial,
    distributions: Mapping[str, BaseDistribution],
    objectives: tuple[Objective, ...] = ("dsc",),
) -> FrozenTrial:
    """Describe to Optuna a trial that has ended, in a search with these objectives."""
    state, values = _outcome(trial, objectives)
    return create_trial(
        state=state,
        values=values,
        params=dict(trial.values),
        distributions=dict(distributions),
        intermediate_values=dict(trial.curve) if has_curves(objectives) else {},
        user_attrs={"trial": trial.number, "state": trial.state},
    )


def _outcome(
    trial: SweepTrial, objectives: tuple[Objective, ...]
) -> tuple[TrialState, list[float] | None]:
    """Tell a trial's end in Optuna's words; with several objectives it knows no PRUNED."""
    if trial.state == "finished":
        return TrialState.COMPLETE, [trial.objectives[name] for name in objectives]
    is_pruned = trial.state == "stopped" and len(objectives) == 1
    return TrialState.PRUNED if is_pruned else TrialState.FAIL, None


def _sampler(plan: SweepPlan, number: int) -> BaseSampler:
    """Build what suggests the point of this number; what is enqueued it leaves alone."""
    if plan.sampler == "tpe":
        return TPESampler(seed=number, n_startup_trials=STARTUP_TRIALS)
    if plan.sampler == "gp":
        return GPSampler(seed=number, n_startup_trials=STARTUP_TRIALS)
    return RandomSampler(seed=number)


def _point_of_sequence(
    number: int, distributions: Mapping[str, BaseDistribution]
) -> dict[str, Value]:
    """Return the point of this number in a scrambled Sobol sequence.

    Optuna keeps its place in a sequence in the study, which is made anew at every start: so the
    sequence is walked from its beginning.
    """
    study = optuna.create_study(sampler=QMCSampler(seed=0, scramble=True))
    study.ask(dict(distributions))  # the first is drawn at random
    for _ in range(number - 1):
        study.tell(study.ask(dict(distributions)), 0.0)
    return dict(study.ask(dict(distributions)).params)


def _new_study(ledger: SweepLedger) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database = ledger.folder / DATABASE
    database.unlink(missing_ok=True)
    return optuna.create_study(
        storage=sqlite_address(database),
        study_name=ledger.plan.sweep_id,
        directions=[direction(name) for name in ledger.plan.objectives],
    )
