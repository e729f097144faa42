"""What a study looks like while it runs: a live table on a terminal, plain lines elsewhere."""

import statistics
import time
from dataclasses import dataclass, field

import psutil
from rich.table import Table

from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.training.context import Record
from voxsiam_cli.console import clock, say, say_elsewhere

LINES_PER_TRIAL = 6
FIGURES = {"train/loss": "loss", "train/dsc": "train DSC", "validation/dsc": "validation DSC"}


@dataclass
class _Progress:
    state: RunState = "pending"
    started: float = 0.0
    ended: float = 0.0
    record: Record = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        return int(self.record.get("epoch", 0))


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
        epoch, epochs = progress.epoch, planned.run.recipe.epochs
        if epoch in (1, epochs) or epoch % max(1, epochs // LINES_PER_TRIAL) == 0:
            found = [f"{FIGURES[name]} {record[name]:.3f}" for name in FIGURES if name in record]
            self._line(
                f"{planned.name}: epoch {epoch}/{epochs}, {', '.join(found)}, {self._left()}"
            )

    def incident(self, planned: PlannedRun, text: str) -> None:
        """Say what went wrong and was survived."""
        say(f"[{clock(time.monotonic() - self._begin)}] {planned.name}: {text}", "yellow")

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Show how it ended."""
        progress = self._progress[planned.run.run_id]
        progress.state, progress.ended = state, time.monotonic()
        self._line(f"{planned.name}: {state}{f' ({error})' if error else ''}")

    def table(self) -> Table:
        """Draw the present state."""
        table = Table("trial", "state", "epoch", *FIGURES.values(), "time", caption=self._left())
        for planned in self._trials:
            one = self._progress[planned.run.run_id]
            seconds = (one.ended or time.monotonic()) - one.started if one.started else 0.0
            table.add_row(
                planned.name,
                one.state,
                f"{one.epoch}/{planned.run.recipe.epochs}",
                *(f"{one.record[name]:.3f}" if name in one.record else "" for name in FIGURES),
                clock(seconds) if seconds else "",
            )
        return table

    def _note_start_up(self, progress: _Progress, first_step: float) -> None:
        if first_step < progress.started:
            return  # A resumed trial reports its last epoch again, at once.
        if self.first_step_s is None:
            self.first_step_s = first_step - self._begin
            command_s = time.time() - psutil.Process().create_time()
            self.first_step_after_command_s = first_step - time.monotonic() + command_s
            return
        if self._slots > 1:
            return
        ends = [p.ended for p in self._progress.values() if 0 < p.ended <= progress.started + 1]
        if ends:
            self.gaps_s.append(first_step - max(ends))

    def _left(self) -> str:
        """Estimate the rest from the epochs seen so far."""
        seen = self._progress.values()
        per_epoch = [p.record["seconds/epoch"] for p in seen if "epoch" in p.record]
        if not per_epoch:
            return "time left: measuring"
        trials = ((t.run.recipe.epochs, self._progress[t.run.run_id]) for t in self._trials)
        epochs = sum(planned - p.epoch for planned, p in trials if p.state != "finished")
        waiting = sum(p.state == "pending" for p in seen)
        start_up = statistics.fmean(self.gaps_s or [self.first_step_s or 0.0])
        seconds = (epochs * statistics.fmean(per_epoch) + waiting * start_up) / self._slots
        return f"about {clock(seconds)} left"

    def _line(self, text: str) -> None:
        say_elsewhere(text, time.monotonic() - self._begin)
