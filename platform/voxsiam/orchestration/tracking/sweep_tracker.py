"""A sweep in MLflow: its trainings as the runs of a study, its trials as one artifact."""

from typing import Any

from voxsiam.orchestration.runs.planned_run import PlannedRun, RunState
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam.orchestration.tracking.names import TRIALS_FILE
from voxsiam.orchestration.tracking.parent_run import parent_of_sweep
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record


class SweepTracker:
    """Keeps a sweep in MLflow; opening it again continues the same runs.

    Args:
        workspace: Holds the store unless MLFLOW_TRACKING_URI names a server.
    """

    def __init__(self, workspace: Workspace, ledger: SweepLedger) -> None:
        self._ledger = ledger
        self._runs = StudyTracker(workspace, parent_of_sweep(ledger.plan))
        # What ended in earlier sessions: failed trials of a sweep are not tried again.
        self._runs.count(self._ended("failed"), "failed")
        self._runs.count(self._ended("finished"), "finished")

    @property
    def parent(self) -> str:
        """MLflow's name of the sweep's own run."""
        return self._runs.parent

    def run_started(self, planned: PlannedRun) -> None:
        """Open the run, or its run of an earlier attempt."""
        self._runs.run_started(planned)

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Write one epoch's figures."""
        self._runs.epoch_done(planned, record)

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """End the run."""
        self._runs.run_ended(planned, state, error)

    def trial_ended(self, trial: SweepTrial) -> None:
        """Write the trials down, and the best so far as a curve over trials."""
        best = self._ledger.best()
        figures = {f"best/{name}": value for name, value in best.objectives.items()} if best else {}
        self._runs.log_parent(figures, trial.number, {TRIALS_FILE: self._summary()})

    def ended(self, state: RunState) -> None:
        """Write the trials down once more and end the parent run."""
        self._runs.complete_finished(self._ended("finished"))
        self._runs.log_parent({}, 0, {TRIALS_FILE: self._summary()})
        self._runs.ended(state)

    def _ended(self, state: RunState) -> list[PlannedRun]:
        """List the trainings of the trials that have ended so."""
        ended = (trial for trial in self._ledger.trials if trial.state == state)
        return [run for trial in ended for run in self._ledger.runs_of(trial)]

    def _summary(self) -> dict[str, Any]:
        ledger = self._ledger
        best = ledger.best()
        return {
            "trials": [trial.model_dump(mode="json") for trial in ledger.trials],
            "best": best.number if best else None,
            "spent": ledger.spent.model_dump(mode="json"),
            "budget": ledger.budget.model_dump(mode="json"),
        }
