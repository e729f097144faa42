"""A driver that is killed tells nobody: the next one of its workspace does."""

import pytest
from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking import reader
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "w")


def begin(workspace, study_id):
    """Start a study and its first trial, as far as MLflow hears of it."""
    plan = make_plan(workspace).model_copy(update={"study_id": study_id})
    ledger = Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.run_started(plan.trials[0])
    return ledger, tracker


def states(workspace, study_id):
    """(status, state) of a study's own run and of its trials."""
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    (parent,) = client.search_runs(
        [experiment.experiment_id],
        f"tags.`voxsiam.study_id` = '{study_id}' and tags.`voxsiam.kind` = 'study'",
    )
    trials = client.search_runs(
        [experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    return [(run.info.status, run.data.tags.get("voxsiam.state")) for run in (parent, *trials)]


def test_what_a_killed_driver_left_running_is_marked_by_the_next(workspace, caplog):
    begin(workspace, "cut-off")
    begin(workspace, "next")
    assert states(workspace, "cut-off") == [("KILLED", "interrupted")] * 2
    assert states(workspace, "next") == [("RUNNING", None)] * 2
    assert any("cut-off was cut off" in text for text in caplog.messages)


def test_what_was_left_running_is_marked_however_much_it_is(workspace, monkeypatch):
    monkeypatch.setattr(reader, "PAGE", 1)
    ledger, tracker = begin(workspace, "cut-off")
    tracker.run_started(ledger.plan.trials[1])
    begin(workspace, "next")
    assert states(workspace, "cut-off") == [("KILLED", "interrupted")] * 3


def test_what_another_driver_runs_now_is_left_alone(workspace):
    ledger, _ = begin(workspace, "going-on")
    with ledger.held():
        begin(workspace, "next")
    assert states(workspace, "going-on") == [("RUNNING", None)] * 2


def test_a_study_of_another_workspace_is_left_alone(workspace, tmp_path, monkeypatch):
    begin(workspace, "theirs")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.tracking_uri)
    begin(Workspace(tmp_path / "other"), "ours")
    assert states(workspace, "theirs") == [("RUNNING", None)] * 2


def test_the_same_study_from_another_workspace_is_refused_while_it_runs(
    workspace, tmp_path, monkeypatch
):
    begin(workspace, "shared")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.tracking_uri)
    with pytest.raises(UserError, match=r"'shared' is being run by .* from another workspace"):
        begin(Workspace(tmp_path / "other"), "shared")
    assert states(workspace, "shared") == [("RUNNING", None)] * 2


def test_the_same_study_from_another_workspace_is_joined_when_it_has_ended(
    workspace, tmp_path, monkeypatch, caplog
):
    _, tracker = begin(workspace, "shared")
    tracker.ended("finished")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.tracking_uri)
    _, other = begin(Workspace(tmp_path / "other"), "shared")
    assert other.parent == tracker.parent
    assert any("goes on in MLflow where" in text for text in caplog.messages)


def test_a_workspace_that_is_moved_is_the_same(workspace, tmp_path):
    before = workspace.identity
    workspace.root.rename(tmp_path / "moved")
    assert Workspace(tmp_path / "moved").identity == before
    assert Workspace(tmp_path / "new").identity != before


def test_a_study_that_goes_on_is_no_longer_said_to_have_failed(workspace):
    ledger, tracker = begin(workspace, "again")
    tracker.run_ended(ledger.plan.trials[0], "failed", "out of memory")
    tracker.ended("failed")
    assert states(workspace, "again") == [("FAILED", "failed")] * 2
    begin(workspace, "again")
    assert states(workspace, "again") == [("RUNNING", None)] * 2
