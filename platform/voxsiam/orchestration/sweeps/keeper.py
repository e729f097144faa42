"""What becomes of a sweep's trials: written into the ledger, told to Optuna."""

import shutil
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Protocol, runtime_checkable

from voxsiam.orchestration.runs.planned_run import PlannedRun, RunState
from voxsiam.orchestration.sweeps.early_stopping import SCORE
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SETTLED, SweepTrial
from voxsiam.orchestration.sweeps.search import SweepSearch
from voxsiam.orchestration.trials.tune_bridge import StudyListener
from voxsiam.small_files import LARGE, read_json
from voxsiam.training.context import Record


@runtime_checkable
class SweepListener(StudyListener, Protocol):
    """Hears of a sweep's runs and, when all of a trial's runs are over, of the trial."""

    def trial_ended(self, trial: SweepTrial) -> None:
        """A trial has reached a state from which it does not go on."""
        ...


class SweepKeeper:
    """Writes what happens into the ledger and tells Optuna.

    Args:
        search: Knows the runs of each trial.
        listeners: Hear when a trial has ended for good.
    """

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
        known = self._ledger.trials[_number(planned)]
        epoch = int(record["epoch"])
        if planned.run.seed != known.seeds[0] or epoch in known.curve or SCORE not in record:
            return
        score = float(record[SCORE])
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
        objectives = _objectives(self._search.runs[number]) if state == "finished" else {}
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


def _objectives(runs: Sequence[PlannedRun]) -> dict[str, float]:
    """Average over a trial's runs what they came to."""
    records = [_records(run) for run in runs]
    return {
        "dsc": fmean(of_run[-1][SCORE] for of_run in records),
        "seconds": fmean(sum(epoch["seconds/epoch"] for epoch in of_run) for of_run in records),
    }


def _records(planned: PlannedRun) -> list[Record]:
    return read_json(planned.run.result_file, LARGE)["records"]


def _number(planned: PlannedRun) -> int:
    return int(planned.row.rpartition(" ")[2])
