"""What Tune asks of a sweep: the next trial, and whether all must end."""

from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.stopper import NoopStopper

from voxsiam.orchestration.runs.planned_run import PlannedRun
from voxsiam.orchestration.sweeps.history import SearchHistory
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam.orchestration.trials.trial import trial_config


class SweepSearch(Searcher):
    """Gives Tune its next trial: first those that were cut off, then new points.

    Attributes:
        runs: The runs of each trial by its number; it grows.
    """

    def __init__(self, ledger: SweepLedger, history: SearchHistory) -> None:
        super().__init__()
        self._ledger, self.history = ledger, history
        self._waiting = ledger.unfinished()
        self.runs: list[list[PlannedRun]] = [ledger.runs_of(trial) for trial in ledger.trials]

    def set_search_properties(self, *args: Any, **spec: Any) -> bool:
        """Take no metric from Tune: the ledger knows the objectives."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial, or that there is none."""
        trial = self._waiting.pop(0) if self._waiting else self._new_trial()
        if trial is None:
            return Searcher.FINISHED
        sweep = self._ledger.plan.sweep_id
        config = trial_config(trial.number, sweep, self.runs[trial.number])
        return {"trial": config}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Do nothing: the keeper hears of it."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a resume rebuilds the search from the ledger."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def ask_to_end(self, trial: Trial) -> None:
        """Ask the run that a trial is at to end with its epoch."""
        runs = self.runs[trial.config["trial"]["index"]]
        run = next((each.run for each in runs if not each.run.result_file.exists()), None)
        if run is not None:
            run.stop_file.touch()

    def _new_trial(self) -> SweepTrial | None:
        limit, number = self._ledger.budget.trials, len(self._ledger.trials)
        if (limit is not None and number >= limit) or self._ledger.used_up():
            return None
        trial = self._ledger.add(self.history.suggest(number))
        self.runs.append(self._ledger.runs_of(trial))
        return trial


class BudgetStopper(tune.Stopper):
    """Stops all trials when the hours are used up.

    Args:
        in_process: Trials on workers are asked to end instead.
    """

    def __init__(self, ledger: SweepLedger, *, in_process: bool) -> None:
        self._ledger, self._in_process = ledger, in_process

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # Tune pickles its stoppers for a restore that we never ask for.
        return NoopStopper, ()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Tell whether there is nothing left to spend."""
        return self._in_process and self._ledger.used_up() is not None
