"""A sweep as Ray Tune trials: points suggested by Optuna, those that fall behind stopped early."""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Protocol, runtime_checkable

from ray import tune

from voxsiam.orchestration.cluster import Capacity
from voxsiam.orchestration.cluster_metrics import cluster_listeners
from voxsiam.orchestration.ledger import TrialPlan, TrialState
from voxsiam.orchestration.run import CaseSource
from voxsiam.orchestration.search_history import SearchHistory
from voxsiam.orchestration.sweep_ledger import SETTLED, SweepLedger, SweepTrial
from voxsiam.orchestration.sweep_search import (
    SCORE,
    BudgetStopper,
    SweepSearch,
    early_stopping,
)
from voxsiam.orchestration.trial_job import TrialJob
from voxsiam.orchestration.tune_bridge import StudyListener, TuneBridge
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record


@runtime_checkable
class SweepListener(StudyListener, Protocol):
    """Hears of a sweep's runs and, when all of a trial's runs are over, of the trial."""

    def point_ended(self, trial: SweepTrial) -> None:
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
    slots = capacity.trials_at_once(plan.workers)
    search = SweepSearch(ledger, SearchHistory(ledger))
    keeper = _SweepKeeper(ledger, search, plan.workers if capacity.gpus else 0, listeners)
    heard = [keeper, *listeners, *cluster_listeners(plan.sweep_id)]
    bridge = TuneBridge(search.runs, heard, keeper.when_cut_short)
    job = TrialJob(plan.sweep_id, load, workspace, capacity, plan.workers, slots)
    tuner = tune.Tuner(
        job.trainable(),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=early_stopping(ledger, None if job.in_process else search.ask_to_end),
            num_samples=-1,
            max_concurrent_trials=slots,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=plan.sweep_id,
            storage_path=str(workspace.ray),
            callbacks=[bridge],
            stop=BudgetStopper(ledger, in_process=job.in_process),
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        tuner.fit()
    finally:
        bridge.end_open_trials()


class _SweepKeeper:
    """Writes what happens into the ledger and tells Optuna."""

    def __init__(
        self,
        ledger: SweepLedger,
        search: SweepSearch,
        gpus: int,
        listeners: Sequence[SweepListener],
    ) -> None:
        self._ledger, self._search, self._gpus = ledger, search, gpus
        self._listeners = listeners
        self._running: set[int] = set()
        self._seen = time.monotonic()

    def when_cut_short(self) -> TrialState:
        """Say what has become of a trial that Tune ended early."""
        return "interrupted" if self._ledger.used_up() else "stopped"

    def trial_started(self, trial: TrialPlan) -> None:
        self._spend()
        number = _number(trial)
        self._running.add(number)
        self._ledger.update(number, state="running", error=None)

    def epoch_done(self, trial: TrialPlan, record: Record) -> None:
        self._spend()
        if self._ledger.used_up():
            trial.run.stop_file.touch()
        known = self._ledger.trials[_number(trial)]
        epoch = int(record["epoch"])
        if trial.run.seed != known.seeds[0] or epoch in known.curve or SCORE not in record:
            return
        score = float(record[SCORE])
        self._ledger.update(known.number, curve=known.curve | {epoch: score})
        self._search.history.report(known.number, epoch, score)

    def trial_ended(self, trial: TrialPlan, state: TrialState, error: str | None) -> None:
        self._spend()
        number = _number(trial)
        known = self._ledger.trials[number]
        if state == "finished" and trial.run.seed != known.seeds[-1]:
            return
        self._running.discard(number)
        objectives = _objectives(self._search.runs[number]) if state == "finished" else {}
        ended = self._ledger.update(number, state=state, error=error, objectives=objectives)
        if state not in SETTLED:
            return
        self._search.history.end(ended)
        for run in self._search.runs[number]:
            # Nothing goes on from them, and a sweep has many.
            shutil.rmtree(run.run.checkpoints, ignore_errors=True)
        for listener in self._listeners:
            listener.point_ended(ended)

    def _spend(self) -> None:
        now = time.monotonic()
        self._ledger.spend(now - self._seen, self._gpus * len(self._running))
        self._seen = now


def _objectives(runs: Sequence[TrialPlan]) -> dict[str, float]:
    """Average over a trial's runs what they came to."""
    records = [json.loads(run.run.result_file.read_text())["records"] for run in runs]
    return {
        "dsc": fmean(of_run[-1][SCORE] for of_run in records),
        "seconds": fmean(sum(epoch["seconds/epoch"] for epoch in of_run) for of_run in records),
    }


def _number(trial: TrialPlan) -> int:
    return int(trial.row.rpartition(" ")[2])
