"""What Tune asks of us so that the trials of one job leave room for those of others."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.search.basic_variant import BasicVariantGenerator

from voxsiam.orchestration.cluster.fair_share import FairShare

UNLIMITED = 10**6
"""Trials of a search at a time; the share allows fewer."""


class Turns:
    """Whether a job may begin its next trial, and what its ended trials give back."""

    def __init__(self, share: FairShare) -> None:
        self.share = share
        self._controller: Any = None

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        # Tune copies and pickles its searches for a restore that we never ask for.
        return object, ()

    def allow_another(self, ours: int) -> bool:
        """Tell whether a trial may begin beside ours.

        Where it may not, no process is kept for it, nor the places of that process.
        """
        allowed, controller = self.share.allows_another(ours), self._controller
        if not allowed and controller is not None:
            if not controller._pending_trials:
                controller._cleanup_cached_actors(force_all=True)
            if not ours:
                # Tune without a trial asks for one on end, and does nothing else meanwhile.
                controller._actor_manager.next(timeout=0.1)
        return allowed

    def end_one(self, controller: Any) -> None:
        """Let a trial that ends give its places back where others wait.

        Tune keeps the process of a trial that has ended, and its places with it, for the next one.
        """
        self._controller = controller
        controller._reuse_actors = not self.share.gives_way()


class FairVariants(BasicVariantGenerator):
    """Gives Tune the trials of a study in their order, as many at a time as the share allows."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def next_trial(self) -> Trial | None:
        if not self._turns.allow_another(len(self._live_trials)):
            return None
        trial = super().next_trial()
        if trial is None:
            self._turns.share.needs_no_more()
        return trial


class FairSearch(ConcurrencyLimiter):
    """Asks a search for trials, as many at a time as the share allows."""

    def __init__(self, search: Searcher, turns: Turns) -> None:
        super().__init__(search, max_concurrent=UNLIMITED)
        self._turns = turns

    def suggest(self, trial_id: str) -> Any:
        allowed = self._turns.allow_another(len(self.live_trials))
        given = super().suggest(trial_id) if allowed else None
        if given == Searcher.FINISHED:
            self._turns.share.needs_no_more()
        return given


class FairOrder(FIFOScheduler):
    """Runs trials in their order; makes room when one ends and others wait."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._turns.end_one(tune_controller)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._turns.end_one(tune_controller)
