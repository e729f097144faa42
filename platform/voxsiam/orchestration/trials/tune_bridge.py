"""From Tune's events to ours: a trial is one run after the other, and each run is heard of."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from ray import tune
from ray.tune.experiment import Trial

from voxsiam.orchestration.runs.incidents import IncidentReader, note_incident
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.trials.rank_faults import describe_death
from voxsiam.orchestration.trials.worker import REFUSAL, RUN_INDEX
from voxsiam.training.context import Record

LOOK_EVERY_S = 2.0
RECORD_NAMES = ("epoch", "learning_rate")
"""Figures of an epoch whose names have no slash; the rest of a Tune result is Tune's."""


@runtime_checkable
class StudyListener(Protocol):
    """Hears of everything that happens to the runs of a study, in the driver's process."""

    def run_started(self, planned: PlannedRun) -> None:
        """A run has been given its place; start-up comes before its first epoch."""
        ...

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """A run has finished an epoch."""
        ...

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """A run is over."""
        ...


@runtime_checkable
class IncidentListener(Protocol):
    """Hears, beside all else, of what went wrong in a run and was survived."""

    def incident(self, planned: PlannedRun, text: str) -> None:
        """Something was survived."""
        ...


class TuneBridge(tune.Callback):
    """Turns Tune's events into those of the runs.

    Args:
        runs: The runs of each trial, by the trial's index; the list may grow.
        listeners: In the order in which they hear.
        when_cut_short: What has become of a run that Tune ended before it left a result.
    """

    def __init__(
        self,
        runs: Sequence[Sequence[PlannedRun]],
        listeners: Sequence[StudyListener],
        when_cut_short: Callable[[], RunState] = lambda: "failed",
    ) -> None:
        self._runs, self._listeners, self._when_cut_short = runs, listeners, when_cut_short
        self._open: dict[int, PlannedRun] = {}
        self._incidents: dict[int, IncidentReader] = {}
        self._reached: dict[int, tuple[int, int]] = {}
        self._refusals: dict[int, str] = {}
        self._looked = 0.0

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks for a restore that we never ask for; ours hold live things.
        return tune.Callback, ()

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._start(_index(trial), 0)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:  # fmt: skip
        record = {name: v for name, v in result.items() if "/" in name or name in RECORD_NAMES}
        index, run = _index(trial), int(result.get(RUN_INDEX, 0))
        if REFUSAL in result:
            self._refusals[index] = result[REFUSAL]
        if "epoch" not in record:
            return
        self._move_to(index, run)
        is_new = self._is_new(trial, (run, int(record["epoch"])))
        self._tell_incidents(index)
        for listener in self._listeners if is_new else ():
            listener.epoch_done(self._open[index], record)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        # A read that waits is told now, not with the next epoch.
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._looked = time.monotonic()
            for index in list(self._open):
                self._tell_incidents(index)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:  # fmt: skip
        index = _index(trial)
        whole = self._move_on(index)
        # A failed run leaves word and returns: raised on, Tune would try again what ends alike.
        cause = None if whole else self._open[index].run.failure()
        state = "finished" if whole else "failed" if cause else self._when_cut_short()
        self._end(index, state, (cause or "left no result") if state == "failed" else None)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:  # fmt: skip
        # Its process died, and Tune starts it again.
        index = _index(trial)
        if index in self._open:
            note_incident(self._open[index].run.incidents_file, self._death(index))
            self._tell_incidents(index)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:  # fmt: skip
        index = _index(trial)
        self._move_on(index)
        self._end(index, "failed", self._open[index].run.failure() or self._death(index))

    def end_open_trials(self) -> None:
        """Mark what an interrupt cut off."""
        for index in list(self._open):
            self._end(index, "interrupted", None)

    def _is_new(self, trial: Trial, reached: tuple[int, int]) -> bool:
        """Tell whether a trial has got further than ever; a restart repeats its last epoch.

        Its failures are forgotten then: it has all attempts again.
        """
        if reached <= self._reached.get(_index(trial), (0, 0)):
            return False
        self._reached[_index(trial)] = reached
        trial.run_metadata.num_failures = 0
        return True

    def _move_on(self, index: int) -> bool:
        """Go to the first run without a result; tell whether all have one.

        Runs that had been done before report nothing.
        """
        done = [run.run.result_file.exists() for run in self._runs[index]]
        self._move_to(index, done.index(False) if False in done else len(done) - 1)
        return all(done)

    def _move_to(self, index: int, run: int) -> None:
        """End the runs before this one: a trial only goes on when a run is finished."""
        if index not in self._open:
            # Its actor never came up.
            self._start(index, 0)
        plans = self._runs[index]
        for number in range(plans.index(self._open[index]), run):
            self._end(index, "finished", None)
            self._start(index, number + 1)

    def _start(self, index: int, run: int) -> None:
        plan = self._open[index] = self._runs[index][run]
        self._incidents[index] = IncidentReader(plan.run.incidents_file)
        for listener in self._listeners:
            listener.run_started(plan)

    def _tell_incidents(self, index: int) -> None:
        for text in self._incidents[index].new():
            for listener in self._listeners:
                if isinstance(listener, IncidentListener):
                    listener.incident(self._open[index], text)

    def _death(self, index: int) -> str:
        """Say why a trial's process ended: it has told the driver, or its last heartbeat tells."""
        refusal = self._refusals.pop(index, None)
        return refusal or describe_death(self._open[index].run.heartbeats) or "its process died"

    def _end(self, index: int, state: RunState, error: str | None) -> None:
        if index not in self._open:
            return
        self._tell_incidents(index)
        plan = self._open.pop(index)
        for listener in self._listeners:
            listener.run_ended(plan, state, error)


def _index(trial: Trial) -> int:
    return int(trial.config["trial"]["index"])
