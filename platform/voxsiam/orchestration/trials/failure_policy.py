"""When a run on workers is tried again: as long as it gets on.

One in a trial's own process: `PROCESS_DEATHS` in `trial.py`.
"""

from pathlib import Path

from ray.train import FailureConfig
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2._internal.execution.failure_handling import FailureDecision, FailurePolicy
from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError

from voxsiam.orchestration.cluster.cause import cause_of
from voxsiam.orchestration.runs.incidents import note_incident
from voxsiam.training.checkpoint import CheckpointFolder

MOST_FAILURES = 3
"""Since the last new checkpoint; the next failure ends the run."""


class RetryWithProgress(FailurePolicy):
    """Tries a run again until it has failed too often since its last new checkpoint.

    Ray Train's own policy counts over a run's whole life: a week on machines that come and go uses
    that up. Waiting for room is no failure; that workers could not begin is noted in the run's
    incidents. It lives in Ray Train's controller.
    """

    def __init__(self, checkpoints: Path, incidents: Path) -> None:
        super().__init__(FailureConfig())
        self._checkpoints, self._incidents = CheckpointFolder(checkpoints), incidents
        self._reached, self._failures = self._checkpoints.published(), 0

    def make_decision(self, training_failed_error: TrainingFailedError) -> FailureDecision:
        """Decide whether the run is tried again."""
        inner = getattr(training_failed_error, "controller_failure", None)
        if isinstance(inner, WorkerGroupStartupTimeoutError):
            return FailureDecision.RETRY
        reached = self._checkpoints.published()
        self._failures = 1 if reached > self._reached else self._failures + 1
        self._reached = reached
        if isinstance(training_failed_error, ControllerError):
            text = f"its workers could not begin: {cause_of(training_failed_error)}"
            note_incident(self._incidents, text)
        return FailureDecision.RETRY if self._failures <= MOST_FAILURES else FailureDecision.RAISE
