"""The tracking server is away: training ends, and afterwards no figure is missing or doubled."""

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.tracking_server import Door, serving
from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking import study_tracker
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam_cli.tracking import replay_all


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def door(server):
    opened = Door(server.server.port)
    yield opened
    opened.shutdown()
    opened.server_close()


@pytest.fixture
def study(door, tmp_path, monkeypatch):
    """A study of one row, named by its test: they share a server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", door.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    workspace = Workspace(tmp_path / "workspace")
    plan = make_plan(workspace, rows=1).model_copy(update={"study_id": tmp_path.name})
    return workspace, Ledger.create(workspace, plan)


def train(ledger, tracker, after_epoch=lambda _: None):
    """Train the one trial as a driver does: every event is told to the tracker."""
    (trial,) = ledger.plan.trials
    trial.run.directory.mkdir(parents=True, exist_ok=True)
    tracker.run_started(trial)

    def report(record):
        tracker.epoch_done(trial, record)
        after_epoch(int(record["epoch"]))

    execute_run(trial.run, ToyCases(), SingleProcess(report))
    tracker.run_ended(trial, "finished", None)
    tracker.complete_finished([trial])
    tracker.ended("finished")


def assert_whole(ledger, server):
    """One study, one run, every figure of every epoch once, and what a report needs."""
    # Past the server: hundreds of calls would take their time.
    client = MlflowClient(server.server.store)
    (trial,) = ledger.plan.trials
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    condition = f"tags.`voxsiam.study_id` = '{ledger.plan.study_id}'"
    (parent,) = client.search_runs([experiment.experiment_id], condition)
    condition = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    (run,) = client.search_runs([experiment.experiment_id], condition)
    assert (parent.info.status, run.info.status) == ("FINISHED", "FINISHED")
    assert run.data.params["batch_size"] == "4"
    assert run.inputs is not None
    assert run.inputs.dataset_inputs
    records = json.loads(trial.run.result_file.read_text())["records"]
    for name in records[0]:
        history = client.get_metric_history(run.info.run_id, name)
        told = sorted((point.step, point.value) for point in history)
        assert told == [(record["epoch"], pytest.approx(record[name])) for record in records], name
    root = Path(server.server.artifacts) / experiment.experiment_id / run.info.run_id / "artifacts"
    for name in ("test/cases.csv", "manifest.json", "model/model.safetensors"):
        ours = trial.run.directory / name.removeprefix("test/")
        assert (root / name).read_bytes() == ours.read_bytes()
    assert (root / "config" / "split.json").exists()


@pytest.mark.parametrize(
    "mood",
    [
        "every other call fails",
        pytest.param("every other answer is lost", marks=pytest.mark.slow),
    ],
)
def test_half_of_all_calls_are_lost_and_no_figure_is(study, door, server, mood):
    workspace, ledger = study
    door.mood = mood
    tracker = StudyTracker(workspace, parent_of_study(ledger.plan))
    train(ledger, tracker)
    assert tracker.waiting == 0
    assert_whole(ledger, server)


@pytest.mark.slow
def test_away_in_the_middle_what_was_kept_is_written_before_the_study_ends(study, door, server):
    workspace, ledger = study
    tracker = StudyTracker(workspace, parent_of_study(ledger.plan))
    run = {}

    def shut_for_an_epoch(epoch):
        run.setdefault("id", tracker.parent)
        door.mood = "shut" if epoch == 1 else "open"

    train(ledger, tracker, shut_for_an_epoch)
    assert tracker.parent == run["id"]
    assert_whole(ledger, server)


@pytest.mark.parametrize("from_the_start", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_away_until_the_end_all_is_written_by_a_replay(study, door, server, from_the_start):
    workspace, ledger = study
    door.mood = "shut" if from_the_start else "open"
    tracker = StudyTracker(workspace, parent_of_study(ledger.plan))
    train(ledger, tracker, lambda _: setattr(door, "mood", "shut"))
    assert ledger.unfinished() == []
    assert tracker.waiting > 0
    assert replay_all(workspace) == tracker.waiting
    door.mood = "open"
    assert replay_all(workspace) == 0
    assert_whole(ledger, server)
    assert replay_all(workspace) == 0
    assert_whole(ledger, server)


def test_a_trial_that_was_stopped_while_nobody_listened_keeps_its_epochs(study, door, server):
    """It leaves no result on disk: its figures are nowhere but in the outbox."""
    workspace, ledger = study
    (trial,) = ledger.plan.trials
    door.mood = "shut"
    tracker = StudyTracker(workspace, parent_of_study(ledger.plan))
    tracker.run_started(trial)
    for epoch in (1, 2):
        tracker.epoch_done(trial, {"epoch": float(epoch), "train/loss": 1.0 / epoch})
    tracker.run_ended(trial, "stopped", None)
    door.mood = "open"
    assert replay_all(workspace) == 0
    client = MlflowClient(server.server.store)
    parent = client.get_run(StudyTracker(workspace, parent_of_study(ledger.plan)).parent)
    (run,) = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5)]
    assert run.info.status == "KILLED"


def test_what_the_store_will_never_take_does_not_hold_up_the_rest(study, server):
    workspace, ledger = study
    (trial,) = ledger.plan.trials
    tracker = StudyTracker(workspace, parent_of_study(ledger.plan))
    tracker.run_started(trial)
    tracker.epoch_done(trial, {"epoch": 1.0, "a name of \x00 letters": 1.0})
    tracker.epoch_done(trial, {"epoch": 2.0, "train/loss": 0.5})
    assert tracker.waiting == 0
    refused = workspace.study(ledger.plan.study_id) / "refused.jsonl"
    assert len(refused.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("least_s", "asked_again"), [(study_tracker.LEAST_PAUSE_S, False), (0.0, True)]
)
def test_a_server_that_is_away_is_asked_seldom(study, door, monkeypatch, least_s, asked_again):
    monkeypatch.setattr(study_tracker, "LEAST_PAUSE_S", least_s)
    monkeypatch.setattr(study_tracker, "PAUSE_FACTOR", 10.0 if least_s else 0.0)
    workspace, ledger = study
    (trial,) = ledger.plan.trials
    door.mood = "shut"
    tracker = StudyTracker(workspace, parent_of_study(ledger.plan))
    calls = door.calls
    for epoch in range(1, 6):
        tracker.epoch_done(trial, {"epoch": float(epoch), "train/loss": 1.0})
    assert (door.calls > calls) is asked_again


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["the start", "the middle", "throughout"])
def test_a_server_is_killed_and_comes_back(tmp_path, monkeypatch, moment):
    with serving(tmp_path) as running:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", running.url)
        workspace = Workspace(tmp_path / "workspace")
        plan = make_plan(workspace, rows=1)
        ledger = Ledger.create(workspace, plan)
        if moment != "the middle":
            running.kill()
        tracker = StudyTracker(workspace, parent_of_study(plan))

        def at(epoch):
            if moment == "the middle" and epoch == 1:
                running.kill()
            if moment != "throughout" and epoch == 2:
                running.start()

        train(ledger, tracker, at)
        if moment == "throughout":
            assert tracker.waiting > 0
            running.start()
        assert replay_all(workspace) == 0
        assert_whole(ledger, running)


def test_a_password_in_the_tracking_address_is_refused_and_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:secret@127.0.0.1:5000")
    with pytest.raises(UserError, match="holds a password") as raised:
        _ = Workspace(tmp_path).tracking_uri
    assert "secret" not in str(raised.value)
