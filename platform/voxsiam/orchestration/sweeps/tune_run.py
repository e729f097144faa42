"""A sweep as Ray Tune trials: points suggested by Optuna, those that fall behind stopped early."""

import shutil
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.stopper import NoopStopper

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.fair_share import FairShare
from voxsiam.orchestration.runs.execute import CaseSource
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.sweeps.early_stopping import early_stopping, score_figure
from voxsiam.orchestration.sweeps.history import SearchHistory
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SETTLED, Objective, SweepTrial
from voxsiam.orchestration.trials.cluster_metrics import cluster_listeners
from voxsiam.orchestration.trials.fair_trials import FairSearch, Turns
from voxsiam.orchestration.trials.trial import TrialSetup, run_trials, trial_config
from voxsiam.orchestration.trials.tune_bridge import StudyListener, TuneBridge
from voxsiam.orchestration.workspace import Workspace
from voxsiam.small_files import LARGE, read_json
from voxsiam.training.context import Record


@runtime_checkable
class SweepListener(StudyListener, Protocol):
    """Hears of a sweep's runs and, when all of a trial's runs are over, of the trial."""

    def trial_ended(self, trial: SweepTrial) -> None:
        """A trial has reached a state from which it does not go on."""
        ...


def run_sweep(
    ledger: SweepLedger,
    load: CaseSource,
    workspace: Workspace,
    capacity: Capacity,
    listeners: Sequence[SweepListener],
) -> None:
    """Search until the budget is used up; trials that were cut off go on first.

    On an interrupt, and when the hours are used up, the trials in progress are marked as
    interrupted: their checkpoints remain, and a resume goes on from them.
    """
    plan = ledger.plan
    slots = capacity.trials_at_once(plan.workers, plan.gpu_share)
    search = SweepSearch(ledger)
    keeper = SweepKeeper(search, plan.workers if capacity.gpus else 0, listeners)
    heard = [keeper, *listeners, *cluster_listeners(plan.sweep_id)]
    bridge = TuneBridge(search.runs, heard, keeper.when_cut_short)
    setup = TrialSetup(
        plan.sweep_id, load, workspace, capacity, plan.workers, slots, plan.gpu_share
    )
    turns = Turns(FairShare(setup.size))
    run_trials(
        setup,
        bridge,
        FairSearch(search, turns),
        early_stopping(ledger, turns, None if setup.in_process else search.ask_to_end),
        stop=BudgetStopper(ledger, in_process=setup.in_process),
    )


class SweepSearch(Searcher):
    """Gives Tune its next trial: first those that were cut off, then new points.

    Attributes:
        runs: The runs of each trial by its number; it grows.
    """

    def __init__(self, ledger: SweepLedger) -> None:
        super().__init__()
        self.ledger, self.history = ledger, SearchHistory(ledger)
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
        sweep = self.ledger.plan.sweep_id
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
        limit, number = self.ledger.budget.trials, len(self.ledger.trials)
        if (limit is not None and number >= limit) or self.ledger.used_up():
            return None
        if self.ledger.plan.sampler == "grid" and number >= len(self.ledger.plan.space.grid()):
            return None
        trial = self.ledger.add(self.history.suggest(number))
        self.runs.append(self.ledger.runs_of(trial))
        return trial


class BudgetStopper(tune.Stopper):
    """Stops all trials in process when the hours are used up; those on workers are asked to end."""

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


class SweepKeeper:
    """Writes what happens into the ledger and tells Optuna, and listeners of a trial's end."""

    def __init__(self, search: SweepSearch, gpus: int, listeners: Sequence[SweepListener]) -> None:
        self._search, self._ledger = search, search.ledger
        self._gpus, self._listeners = gpus, listeners
        self._running: set[int] = set()
        self._seen = time.monotonic()

    def when_cut_short(self) -> RunState:
        """Say what has become of a trial that Tune ended early."""
        return "interrupted" if self._ledger.used_up() else "stopped"

    def run_started(self, planned: PlannedRun) -> None:
        """Note that a trial is being trained."""
        self._spend()
        number = _number(planned)
        self._running.add(number)
        self._ledger.update(number, state="running", error=None)

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Note an epoch; where the budget is used up the run is asked to end."""
        self._spend()
        if self._ledger.used_up():
            planned.run.stop_file.touch()
        self._note(planned, record)

    def _note(self, planned: PlannedRun, record: Record) -> None:
        """Write down an epoch of a trial's first run, once."""
        known, figure = self._ledger.trials[_number(planned)], score_figure(self._ledger.plan)
        epoch = int(record["epoch"])
        if planned.run.seed != known.seeds[0] or epoch in known.curve or figure not in record:
            return
        score = float(record[figure])
        self._ledger.update(known.number, curve=known.curve | {epoch: score})
        self._search.history.report(known.number, epoch, score)

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Note the end of a run, and with the last one what the trial came to."""
        self._spend()
        number = _number(planned)
        if state == "finished":
            # Epochs that another sweep trained, or that ended when no driver listened, are unheard.
            for record in _records(planned):
                self._note(planned, record)
            if planned.run.seed != self._ledger.trials[number].seeds[-1]:
                return
        self._running.discard(number)
        asked, runs = self._ledger.plan.objectives, self._search.runs[number]
        objectives = _objectives(asked, runs) if state == "finished" else {}
        ended = self._ledger.update(number, state=state, error=error, objectives=objectives)
        if state not in SETTLED:
            return
        self._search.history.end(ended)
        for run in self._search.runs[number]:
            # Nothing goes on from them, and a sweep has many.
            shutil.rmtree(run.run.checkpoints, ignore_errors=True)
        for listener in self._listeners:
            listener.trial_ended(ended)

    def _spend(self) -> None:
        now = time.monotonic()
        self._ledger.spend(now - self._seen, self._gpus * len(self._running))
        self._seen = now


def _objectives(asked: Sequence[Objective], runs: Sequence[PlannedRun]) -> dict[str, float]:
    """Average over a trial's runs what they came to: what is asked for, score and cost."""
    records = [_records(run) for run in runs]
    scores = {"dsc", *asked} - {"seconds"}
    found = {name: fmean(run[-1][f"validation/{name}"] for run in records) for name in scores}
    seconds = fmean(sum(epoch["seconds/epoch"] for epoch in run) for run in records)
    return found | {"seconds": seconds}


def _records(planned: PlannedRun) -> list[Record]:
    return read_json(planned.run.result_file, LARGE)["records"]


def _number(planned: PlannedRun) -> int:
    return int(planned.row.rpartition(" ")[2])
