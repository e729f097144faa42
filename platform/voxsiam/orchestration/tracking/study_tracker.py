"""Hears what happens and has it written (`run_writer.py`): a parent run, a child per (row, seed).

A tracking server that is away costs telemetry, never training: what could not be written is kept
on disk, in order, and written into the same runs when the server answers again.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from mlflow.exceptions import MlflowException, RestException

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.tracking.names import PROGRESS, WORKER_HOURS
from voxsiam.orchestration.tracking.outbox import Event, now_ms, outbox_of
from voxsiam.orchestration.tracking.parent_run import ParentRun
from voxsiam.orchestration.tracking.run_writer import RunWriter, metrics
from voxsiam.orchestration.tracking.store import experiment_of, open_for_writing
from voxsiam.orchestration.workspace import Workspace
from voxsiam.small_files import LARGE, read_json
from voxsiam.training.context import Record
from voxsiam.training.usage import SECONDS

LEAST_PAUSE_S, PAUSE_FACTOR = 5.0, 10.0
"""After a try that failed, the next one waits this long, or this many times as long as it took:
a server that swallows calls costs a tenth of the time at most."""

log = logging.getLogger(__name__)


class StudyTracker:
    """Keeps a study or a sweep in MLflow; opening it again continues the same runs.

    Args:
        workspace: Holds the store unless MLFLOW_TRACKING_URI names a server.
        reopen: It goes on: its own run is marked as running.

    Raises:
        UserError: The server refuses the login, or keeps artifacts where we cannot write.
    """

    def __init__(self, workspace: Workspace, parent_run: ParentRun, *, reopen: bool = True) -> None:
        self._workspace, self._parent_run, self._reopen = workspace, parent_run, reopen
        self._outbox = outbox_of(workspace, parent_run)
        self._writer: RunWriter | None = None
        self._ended: dict[tuple[str, str], tuple[RunState, float]] = {}
        self._next_try = 0.0
        if self._try(self._open, at_start=True):
            self.catch_up()

    @property
    def parent(self) -> str:
        """MLflow's name of the study's own run."""
        return self._open().parent

    @property
    def waiting(self) -> int:
        """Count the events that MLflow has not been told yet."""
        return len(self._outbox)

    def run_started(self, planned: PlannedRun) -> None:
        """Open the trial's run, or its run of an earlier attempt."""
        may_link = planned.run.result_file.exists()
        self._tell(Event(kind="start", trial=planned, may_link=may_link))

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Write one epoch's figures in one batch."""
        step = int(record["epoch"])
        self._tell(Event(kind="figures", trial=planned, figures=record, step=step))

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Complete the run from the trial's files and end it."""
        self._tell(Event(kind="end", trial=planned, state=state, error=error))
        self.count([planned], state)

    def complete_finished(self, finished: list[PlannedRun]) -> None:
        """Make sure that trials which finished while nobody listened are in the store.

        What another study has trained gets a run that links to the one it was trained in.
        """
        self.count(finished, "finished")
        # A disk that was full has kept nothing that waits: a pause would end without a try.
        self._next_try = min(self._next_try, time.monotonic())
        if self.catch_up():
            return  # The server is away; a later call finds out.
        for planned in finished:
            self._try(lambda planned=planned: self._complete(planned))

    def log_parent(
        self, figures: Record, step: int, artifacts: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Write figures and, by path, JSON artifacts of the parent run."""
        self._tell(Event(kind="figures", figures=figures, step=step, artifacts=artifacts))

    def ended(self, state: RunState) -> None:
        """End the parent run."""
        self._tell(Event(kind="end", state=state))
        # Whoever has stopped it does not want to wait for a server.
        waiting = self.waiting if state == "interrupted" else self.catch_up()
        if waiting:
            log.warning(
                "MLflow has not been told of %d events; they are kept in %s and are written by: "
                "voxsiam tracking replay --workspace %s",
                waiting,
                self._outbox.path,
                self._workspace.quoted,
            )

    def catch_up(self) -> int:
        """Write what waits, the oldest first; return how many events still wait."""
        if not self._outbox:
            return 0
        events = self._outbox.read()
        done = 0
        for group in _together(events):
            if not self._try(lambda group=group: self._write(group), group):
                break
            done += len(group)
        if done:
            try:
                self._outbox.keep_only(events[done:])
            except OSError as error:
                # They are told once more, and count once: their times are kept.
                log.warning("events that MLflow has been told of are not forgotten: %s", error)
        return self.waiting

    def count(self, trials: Sequence[PlannedRun], state: RunState) -> None:
        """Write on the parent how far it is, so that a list of studies needs no other run."""
        new: dict[tuple[str, str], tuple[RunState, float]] = {
            (planned.row, planned.run.run_id): (state, _seconds(planned)) for planned in trials
        }
        if new.items() <= self._ended.items():
            return
        self._ended |= new
        states = [state for state, _ in self._ended.values()]
        figures = {name: float(states.count(state)) for name, state in PROGRESS.items()}
        # Rows that share a run were trained once.
        seconds = {run: seconds for (_, run), (_, seconds) in self._ended.items()}
        figures[WORKER_HOURS] = sum(seconds.values()) * self._parent_run.workers / 3600
        # MLflow shows the value of the greatest step: what is finished stays so.
        self.log_parent(figures, states.count("finished"), {})

    def _tell(self, event: Event) -> None:
        try:
            if not self._outbox and self._try(lambda: self._write([event]), [event]):
                return
            self._outbox.add(event)
            if time.monotonic() >= self._next_try:
                self.catch_up()
        except OSError as error:
            # A full disk: the run's own record still has its epochs, if it comes to its end.
            log.warning("neither MLflow nor the disk takes what happened: %s", error)

    def _try(
        self, write: Callable[[], object], events: Sequence[Event] = (), *, at_start: bool = False
    ) -> bool:
        """Write; tell whether that is settled. What the store will never take is set aside."""
        started = time.monotonic()
        if self._next_try > started and not self._outbox:
            return False
        try:
            write()
        except (MlflowException, OSError, UserError) as error:
            if at_start:
                # Now it costs nothing; in the middle of a training it would.
                _raise_if_mendable(error, self._workspace.tracking_uri)
            if self._writer is not None and events and _is_final(error):
                self._set_aside(events, error)
                return True
            self._away(error, time.monotonic() - started)
            return False
        if self._next_try:
            log.warning("MLflow answers again")
            self._next_try = 0.0
        return True

    def _away(self, error: Exception, took_s: float) -> None:
        if not self._next_try:
            log.warning(
                "MLflow is not told now, the figures are kept and written later: %.300s", error
            )
        self._next_try = time.monotonic() + max(LEAST_PAUSE_S, PAUSE_FACTOR * took_s)

    def _set_aside(self, events: Sequence[Event], error: Exception) -> None:
        path = [self._outbox.set_aside(event) for event in events][-1]
        log.warning("MLflow refuses %d events, they are kept in %s: %s", len(events), path, error)

    def _open(self, at_ms: int | None = None) -> RunWriter:
        if self._writer is None:
            client = open_for_writing(self._workspace)
            experiment = experiment_of(client, self._workspace)
            writer = RunWriter(client, experiment, self._parent_run, self._workspace)
            writer.open_parent(at_ms or now_ms(), reopen=self._reopen)
            self._writer = writer
            for left in writer.end_left_runs():
                log.warning("%s was cut off and is marked as interrupted in MLflow", left)
        return self._writer

    def _write(self, events: Sequence[Event]) -> None:
        """Write events of one subject: figures that belong together, or a single other one."""
        first = events[0]
        writer = self._open(first.time_ms)
        if first.trial is None:
            run_id = writer.parent
        else:
            run_id = writer.run_of(first.trial, first.time_ms, may_link=first.may_link)
        if first.kind == "figures":
            # A training that goes on tells its last epoch once more.
            known = writer.epochs_of(run_id) if first.trial is not None else set()
            new = [e for e in events if e.step not in known]
            writer.log(run_id, [m for e in new for m in metrics(e.figures, e.step, e.time_ms)])
            known.update(e.step for e in new)
            writer.log_json(run_id, events[-1].artifacts)
        if first.kind == "end" and first.state is not None:
            if first.trial is not None:
                writer.tell_incidents(run_id, first.trial)
                if first.state == "finished":
                    writer.complete(run_id, first.trial, first.time_ms)
            writer.end(run_id, first.state, first.time_ms, first.error)

    def _complete(self, planned: PlannedRun) -> None:
        if not self._open().is_finished(planned, now_ms()):
            self.run_ended(planned, "finished", None)


def _together(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Group figures of one subject that follow each other; the newest artifacts hold all."""
    numbered = enumerate(events)
    for _, group in groupby(
        numbered, lambda item: (item[1].subject, -1 if item[1].kind == "figures" else item[0])
    ):
        yield [event for _, event in group]


def _raise_if_mendable(error: Exception, tracking_uri: str) -> None:
    """Raise what the user can mend: it is a UserError already, or the login is refused."""
    if isinstance(error, UserError):
        raise error
    if isinstance(error, MlflowException) and error.get_http_status_code() in {401, 403}:
        raise UserError(
            "the tracking server refuses this login",
            where=tracking_uri,
            fix="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (docs/tracking.md)",
        ) from None


def _is_final(error: Exception) -> bool:
    """Tell whether another try would end alike: the store has understood and says no."""
    if not isinstance(error, MlflowException):
        return isinstance(error, FileNotFoundError)
    # Without words of MLflow's own it may be a proxy that has lost its server.
    understood = isinstance(error, RestException) or "API request" not in error.message
    status = error.get_http_status_code()
    return understood and 400 <= status < 500 and status not in {401, 403, 408, 429}


def _seconds(planned: PlannedRun) -> float:
    """Return how long the epochs of a finished run took, in whatever processes; 0 for others."""
    file = planned.run.result_file
    if not file.exists():
        return 0.0
    records = read_json(file, LARGE)["records"]
    return sum(float(record.get(SECONDS, 0.0)) for record in records)
