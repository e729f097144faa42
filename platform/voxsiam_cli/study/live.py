"""What a study looks like while it runs: a live table on a terminal, plain lines elsewhere."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil
from rich.table import Table

from voxsiam.orchestration.runs.planned_run import PlannedRun, RunState
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.training.context import Record
from voxsiam_cli.console import clock, say
from voxsiam_cli.live_table import say_elsewhere

LINES_PER_TRIAL = 6


@dataclass
class _Progress:
    state: RunState = "pending"
    started: float = 0.0
    ended: float = 0.0
    record: Record = field(default_factory=dict)
    error: str | None = None


class LiveStudy:
    """Listens to a study and shows each trial's epoch, loss, validation DSC and the time left."""

    def __init__(self, ledger: Ledger, slots: int) -> None:
        self._slots = slots
        self._trials = ledger.plan.trials
        self._progress = {t.run.run_id: _Progress(ledger.state(t)) for t in self._trials}
        self._begin = time.monotonic()
        self.first_step_s: float | None = None
        self.first_step_after_command_s = 0.0
        self.gaps_s: list[float] = []

    def run_started(self, planned: PlannedRun) -> None:
        """Note the time; a trial that is resumed starts again."""
        self._progress[planned.run.run_id] = _Progress("running", time.monotonic())
        self._line(f"{planned.name}: starting")

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Show the epoch."""
        progress = self._progress[planned.run.run_id]
        now = time.monotonic()
        if not progress.record:
            self._note_start_up(progress, now - record.get("seconds/epoch", 0.0))
        progress.record = record
        epoch, epochs = int(record["epoch"]), planned.run.recipe.epochs
        if epoch in (1, epochs) or epoch % max(1, epochs // LINES_PER_TRIAL) == 0:
            self._line(
                f"{planned.name}: epoch {epoch}/{epochs}, {_figures(record)}, {self._left()}"
            )

    def incident(self, planned: PlannedRun, text: str) -> None:
        """Say what went wrong and was survived."""
        say(f"[{clock(time.monotonic() - self._begin)}] {planned.name}: {text}", "yellow")

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Show how it ended."""
        progress = self._progress[planned.run.run_id]
        progress.state, progress.ended, progress.error = state, time.monotonic(), error
        self._line(f"{planned.name}: {state}{f' ({error})' if error else ''}")

    def table(self) -> Table:
        """Draw the present state."""
        table = Table("trial", "state", "epoch", "loss", "train DSC", "validation DSC", "time")
        for planned in self._trials:
            progress = self._progress[planned.run.run_id]
            table.add_row(planned.name, *_cells(progress, planned.run.recipe.epochs))
        table.caption = self._left()
        return table

    def seconds_left(self) -> float | None:
        """Estimate the rest from the epochs seen so far; None before the first trial's second."""
        per_epoch = [
            p.record["seconds/epoch"] for p in self._progress.values() if "epoch" in p.record
        ]
        if not per_epoch:
            return None
        epochs = sum(
            t.run.recipe.epochs - self._epochs_done(t)
            for t in self._trials
            if self._progress[t.run.run_id].state != "finished"
        )
        waiting = sum(p.state == "pending" for p in self._progress.values())
        start_up = statistics.fmean(self.gaps_s or [self.first_step_s or 0.0])
        return (epochs * statistics.fmean(per_epoch) + waiting * start_up) / self._slots

    def _epochs_done(self, planned: PlannedRun) -> int:
        return int(self._progress[planned.run.run_id].record.get("epoch", 0))

    def _note_start_up(self, progress: _Progress, first_step: float) -> None:
        if first_step < progress.started:
            return  # A resumed trial reports its last epoch again, at once.
        if self.first_step_s is None:
            self.first_step_s = first_step - self._begin
            self.first_step_after_command_s = self.first_step_s + self._begin - _command_start()
            return
        if self._slots > 1:
            return
        ends = [p.ended for p in self._progress.values() if 0 < p.ended <= progress.started + 1]
        if ends:
            self.gaps_s.append(first_step - max(ends))

    def _left(self) -> str:
        seconds = self.seconds_left()
        return "time left: measuring" if seconds is None else f"about {clock(seconds)} left"

    def _line(self, text: str) -> None:
        say_elsewhere(text, time.monotonic() - self._begin)


def _command_start() -> float:
    """Return when this process began, on the monotonic clock."""
    return time.monotonic() - (time.time() - psutil.Process().create_time())


def _cells(progress: _Progress, epochs: int) -> Sequence[str]:
    record = progress.record
    epoch = f"{int(record.get('epoch', 0))}/{epochs}"
    values = [record.get(n) for n in ("train/loss", "train/dsc", "validation/dsc")]
    seconds = (progress.ended or time.monotonic()) - progress.started if progress.started else 0.0
    shown = ["" if value is None else f"{value:.3f}" for value in values]
    return progress.state, epoch, *shown, clock(seconds) if seconds else ""


def _figures(record: Record) -> str:
    named = {
        "loss": record.get("train/loss"),
        "train DSC": record.get("train/dsc"),
        "validation DSC": record.get("validation/dsc"),
    }
    return ", ".join(f"{name} {value:.3f}" for name, value in named.items() if value is not None)
