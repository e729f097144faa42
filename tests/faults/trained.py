"""A study of one run on workers, and what has become of it."""

import json
from collections.abc import Sequence
from pathlib import Path

from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import Recorder, ToyCases, make_plan
from voxsiam.orchestration.cluster.ray_instance import Capacity
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace

READS_PER_EPOCH, READS = 7, 3 * 7 + 2
"""Six cases to train on and one to validate with; three epochs and two test cases."""


class Trained:
    """Trains the run of a small study, from where it stands.

    Args:
        folder: Of the workspace.
        cases: What it reads.
        workers: DDP workers; 1 trains in the trial's process.
    """

    def __init__(self, folder: Path, cases: ToyCases, workers: int = 2) -> None:
        self.workspace = Workspace(folder)
        self.plan: StudyPlan = make_plan(self.workspace, workers=workers, rows=1)
        self.run = self.plan.trials[0].run
        self.ledger = Ledger.create(self.workspace, self.plan)
        self.recorder = Recorder()
        self._tracker = StudyTracker(self.workspace, parent_of_study(self.plan))
        listeners = [self._tracker, self.recorder]
        run_study(self.ledger, cases, self.workspace, Capacity.of_cluster(), listeners)

    @property
    def state(self) -> str:
        """How it ended."""
        return self.ledger.state(self.plan.trials[0])

    @property
    def error(self) -> str:
        """Why it failed, in the words that people see."""
        (told,) = self.recorder.errors
        assert told is not None
        return told

    def losses(self) -> list[float]:
        """Return the loss of every epoch."""
        records: Sequence[dict[str, float]] = json.loads(self.run.result_file.read_text())[
            "records"
        ]
        assert [int(record["epoch"]) for record in records] == [1, 2, 3]
        return [record["train/loss"] for record in records]

    def assert_tracked_once(self) -> None:
        """MLflow holds one run, finished, with every epoch and with what was survived."""
        client = MlflowClient(self.workspace.tracking_uri)
        parent = self._tracker.parent
        experiment = client.get_run(parent).info.experiment_id
        runs = client.search_runs([experiment])
        (run,) = [each for each in runs if each.info.run_id != parent]
        assert run.info.status == "FINISHED"
        survived = self.recorder.incidents
        assert run.data.tags.get("voxsiam.incidents", "0") == str(len(survived))
        if survived:
            file = client.download_artifacts(run.info.run_id, "incidents.txt")
            assert Path(file).read_text().splitlines() == survived
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert sorted(metric.step for metric in history) == [1, 2, 3]
        newest = {metric.step: metric.value for metric in history}
        assert [newest[epoch] for epoch in (1, 2, 3)] == self.losses()
