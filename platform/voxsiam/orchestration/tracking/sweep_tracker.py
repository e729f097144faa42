"""A sweep in MLflow: its trainings as the runs of a study, its trials as one artifact."""

from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam.orchestration.tracking.names import TRIALS_FILE
from voxsiam.orchestration.tracking.parent_run import parent_of_sweep
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record


class SweepTracker(StudyTracker):
    """Keeps a sweep in MLflow as `StudyTracker` keeps a study, and its trials."""

    def __init__(self, workspace: Workspace, ledger: SweepLedger) -> None:
        super().__init__(workspace, parent_of_sweep(ledger.plan))
        self._ledger = ledger
        # What ended in earlier sessions: failed trials of a sweep are not tried again.
        self.count(self._trainings("failed"), "failed")
        self.count(self._trainings("finished"), "finished")

    def trial_ended(self, trial: SweepTrial) -> None:
        """Write the trials down, and the best so far as a curve over trials."""
        best = self._ledger.best()
        figures = {f"best/{name}": value for name, value in best.objectives.items()} if best else {}
        self._log_trials(figures, trial.number)

    def ended(self, state: RunState) -> None:
        """Write the trials down once more and end the parent run."""
        self.complete_finished(self._trainings("finished"))
        self._log_trials({}, 0)
        super().ended(state)

    def _trainings(self, state: RunState) -> list[PlannedRun]:
        """List the trainings of the trials that have ended so."""
        ended = (trial for trial in self._ledger.trials if trial.state == state)
        return [run for trial in ended for run in self._ledger.runs_of(trial)]

    def _log_trials(self, figures: Record, step: int) -> None:
        ledger = self._ledger
        best = ledger.best()
        summary = {
            "trials": [trial.model_dump(mode="json") for trial in ledger.trials],
            "best": best.number if best else None,
            "spent": ledger.spent.model_dump(mode="json"),
            "budget": ledger.budget.model_dump(mode="json"),
        }
        self.log_parent(figures, step, {TRIALS_FILE: summary})
