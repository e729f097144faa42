"""What Tune asks of us so that the trials of one job leave room for those of others."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.search.basic_variant import BasicVariantGenerator

from voxsiam.orchestration.cluster.fair_share import FairShare

MOST_WAITING = 200
"""Trials that Tune may have waiting for places; the share allows fewer."""


class FairVariants(BasicVariantGenerator):
    """Gives Tune the trials of a study in their order, as many at a time as the share allows."""

    def __init__(self, share: FairShare) -> None:
        super().__init__()
        self._share = share

    def next_trial(self) -> Trial | None:
        """Return the next trial, or that there is none now."""
        return super().next_trial() if self._share.allows_another(len(self._live_trials)) else None


class FairSearch(ConcurrencyLimiter):
    """Asks a search for trials, as many at a time as the share allows."""

    def __init__(self, search: Searcher, share: FairShare) -> None:
        super().__init__(search, max_concurrent=MOST_WAITING)
        self._share = share

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial, or that there is none now."""
        allowed = self._share.allows_another(len(self.live_trials))
        return super().suggest(trial_id) if allowed else None


class FairOrder(FIFOScheduler):
    """Runs trials in their order; makes room when one ends and others wait."""

    def __init__(self, share: FairShare) -> None:
        super().__init__()
        self._share = share

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Make room for others who wait."""
        give_way(tune_controller, self._share)


def give_way(tune_controller: Any, share: FairShare) -> None:
    """Let a trial that ends give its places back where others wait.

    Tune keeps the process of a trial that has ended, and its places with it, for the next one.
    """
    tune_controller._reuse_actors = not share.gives_way()
