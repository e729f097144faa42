from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace


def test_a_machine_without_git_tracks_studies_too(tmp_path, monkeypatch):
    """The image of a cluster is one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    workspace = Workspace(tmp_path / "workspace")
    tracker = StudyTracker(workspace, parent_of_study(make_plan(workspace, rows=1)))
    run = MlflowClient(workspace.tracking_uri).get_run(tracker.parent)
    assert run.data.tags["voxsiam.study"] == "table3"
    assert "mlflow.source.git.commit" not in run.data.tags
