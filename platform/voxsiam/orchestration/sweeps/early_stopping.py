"""Early stopping: ASHA ends a sweep's trial that falls behind the others (Li et al. 2020)."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SETTLED, SweepPlan, SweepTrial, score_of
from voxsiam.orchestration.trials.fair_trials import FairOrder, Turns
from voxsiam.orchestration.trials.worker import FIDELITY

REDUCTION = 3
"""Of the trials that reach a rung, one in so many goes on."""


def score_figure(plan: SweepPlan) -> str:
    """Name the score among the figures of an epoch."""
    return f"validation/{score_of(plan.objectives)}"


def early_stopping(
    ledger: SweepLedger, turns: Turns, ask: Callable[[Trial], None] | None
) -> TrialScheduler:
    """Build ASHA, or what stops no trial where the plan wants that; without `ask` Tune ends it."""
    return _Asha(ledger, turns, ask) if ledger.plan.stop_early else FairOrder(turns)


class _Asha(ASHAScheduler):
    """ASHA that remembers earlier sessions, and judges a trial by its first run alone.

    Its own state dies with the driver, so it is shown the curves of the ledger. It asks trials on
    workers to end instead of letting Tune kill them: Ray Train's controller would see its workers
    go and make new ones before it is killed too; what they reserve is never given back, and the
    next trial waits for ever.
    """

    def __init__(
        self, ledger: SweepLedger, turns: Turns, ask: Callable[[Trial], None] | None
    ) -> None:
        self._ledger, self._turns, self._ask = ledger, turns, ask
        self._epochs, self._score = ledger.plan.space.base.epochs, score_figure(ledger.plan)
        super().__init__(
            time_attr=FIDELITY,
            metric=self._score,
            mode="max",
            max_t=self._epochs,
            grace_period=max(1, self._epochs // REDUCTION**2),
            reduction_factor=REDUCTION,
            stop_last_trials=False,
        )
        for known in ledger.trials:
            if known.state in SETTLED:
                self._remember(SimpleNamespace(trial_id=f"earlier-{known.number}"), known)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take a trial; one that goes on has been judged at the rungs that it has passed."""
        self._remember(trial, self._ledger.trials[trial.config["trial"]["index"]])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide as ASHA does, but leave whoever has reached the last epoch alone.

        A rung can lie there, and further seeds count on from it with the scores of their first
        epochs.
        """
        if result.get(FIDELITY, 0) >= self._epochs:
            return TrialScheduler.CONTINUE
        decision = super().on_trial_result(tune_controller, trial, result)
        if decision == TrialScheduler.STOP and self._ask is not None:
            self._ask(trial)
            return TrialScheduler.CONTINUE
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Take its last result, and make room for others who wait."""
        super().on_trial_complete(tune_controller, trial, result)
        self._turns.end_one(tune_controller)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Make room for others who wait."""
        super().on_trial_error(tune_controller, trial)
        self._turns.end_one(tune_controller)

    def _remember(self, trial: Any, known: SweepTrial) -> None:
        controller: Any = None
        super().on_trial_add(controller, trial)
        for epoch, score in sorted(known.curve.items()):
            super().on_trial_result(controller, trial, {FIDELITY: epoch, self._score: score})
