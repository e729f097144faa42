import gc
from pathlib import Path

import pytest
import torch
from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import (
    DieOnce,
    Recorder,
    Spoiled,
    ToyCases,
    losses,
    make_plan,
    make_run,
)
from tests.voxsiam.training.gloo import GlooWorker, group, run_ranks
from voxsiam.inference.model_folder import load_model
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.owner import this_owner
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.runs.manifest import read_manifest
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.run_store import download_model
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam_dashboards.store.study_reading import load_study

pytestmark = pytest.mark.usefixtures("ray_instance")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def children(client, parent):
    experiment = client.get_run(parent).info.experiment_id
    return client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")


def test_what_is_left_of_a_study_trains_with_the_threads_of_the_whole(workspace):
    plan = make_plan(workspace)
    ledger, room = Ledger.create(workspace, plan), Capacity.of_cluster()
    for trial in plan.trials[:2]:
        ledger.mark(trial, "finished")
    assert room.threads(1) != room.threads(3)
    assert run_study(ledger, ToyCases(), workspace, room, []) == []
    manifest = read_manifest(plan.trials[2].run.manifest_file)
    assert manifest.environment.threads == room.threads(3)


def test_a_study_is_done_once_and_tracked_whole(workspace):
    plan = make_plan(workspace)
    ledger, tracker, recorder = (
        Ledger.create(workspace, plan),
        StudyTracker(workspace, parent_of_study(plan)),
        Recorder(),
    )
    assert (
        run_study(ledger, ToyCases(), workspace, Capacity.of_cluster(), [tracker, recorder]) == []
    )
    assert ledger.unfinished() == []
    assert sorted(recorder.events) == sorted(
        (t.row, e) for t in plan.trials for e in ("started", "finished")
    )

    client = MlflowClient(workspace.tracking_uri)
    assert client.get_run(tracker.parent).data.tags["voxsiam.owner"] == this_owner()
    runs = children(client, tracker.parent)
    assert sorted(run.data.tags["voxsiam.row"] for run in runs) == [t.row for t in plan.trials]
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.tags["voxsiam.owner"] == run.data.tags["mlflow.user"] == this_owner()
        assert run.data.params["batch_size"] == "4"
        assert run.data.metrics["test/dsc"] >= 0
        assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 3
        assert {a.path for a in client.list_artifacts(run.info.run_id)} == {
            "config",
            "manifest.json",
            "model",
            "test",
        }
        copied = download_model(workspace.tracking_uri, run.info.run_id, workspace.cache / "copy")
        assert load_model(copied, torch.device("cpu")).description.trained.epochs == 3
        assert run.inputs is not None
        assert run.inputs.dataset_inputs[0].dataset.digest == "toy"

    again = Recorder()
    reopened = StudyTracker(workspace, parent_of_study(plan))
    assert reopened.parent == tracker.parent
    assert (
        run_study(
            Ledger.create(workspace, plan), ToyCases(), workspace, Capacity.of_cluster(), [again]
        )
        == []
    )
    assert again.events == []


def train_unbroken(rank, folder, threads):
    torch.set_num_threads(threads)
    Path(folder).mkdir(exist_ok=True)
    with group(rank, 2, folder):
        execute_run(make_run(Workspace(Path(folder))), ToyCases(), GlooWorker(rank, 2, str))
        # DDP's module lies in a cycle; left to the interpreter's end, its threads abort it.
        gc.collect()


def test_a_killed_worker_is_replaced_and_the_result_is_that_of_the_unbroken_run(
    workspace, tmp_path
):
    plan, capacity = make_plan(workspace, workers=2, rows=1), Capacity.of_cluster()
    ledger, recorder = Ledger.create(workspace, plan), Recorder()
    # The validation case is read once an epoch, always by the same worker: the third read falls
    # into the third epoch, before its checkpoint.
    load = DieOnce(tmp_path / "died", "v", reads=2)
    assert run_study(ledger, load, workspace, capacity, [recorder]) == []
    assert load.flag.exists()
    (run,) = (trial.run for trial in plan.trials)
    threads = read_manifest(run.manifest_file).environment.threads
    run_ranks(train_unbroken, 2, str(tmp_path / "unbroken"), threads)
    assert losses(run) == losses(make_run(Workspace(tmp_path / "unbroken")))
    # No finished epoch is trained again: at most the last one is reported a second time.
    assert recorder.epochs in ([1, 2, 3], [1, 2, 2, 3])


def test_a_trial_that_diverges_fails_alone_with_its_cause(workspace):
    plan = make_plan(workspace, rows=1)
    ledger, tracker, recorder = (
        Ledger.create(workspace, plan),
        StudyTracker(workspace, parent_of_study(plan)),
        Recorder(),
    )
    failed = run_study(ledger, Spoiled(), workspace, Capacity.of_cluster(), [tracker, recorder])
    assert failed == list(plan.trials)
    assert ledger.state(plan.trials[0]) == "failed"
    assert "is nan at epoch 1" in (recorder.errors[0] or "")
    (run,) = children(MlflowClient(workspace.tracking_uri), tracker.parent)
    assert run.info.status == "FAILED"
    assert "the loss is nan" in run.data.tags["voxsiam.error"]


def test_what_another_study_has_trained_is_linked_not_trained_again(workspace):
    first = make_plan(workspace, rows=2)
    tracker = StudyTracker(workspace, parent_of_study(first))
    ledger = Ledger.create(workspace, first)
    assert run_study(ledger, ToyCases(), workspace, Capacity.of_cluster(), [tracker]) == []
    tracker.complete_finished(list(first.trials))
    client = MlflowClient(workspace.tracking_uri)
    trained = {run.data.tags["voxsiam.row"]: run for run in children(client, tracker.parent)}

    shared = first.trials[1].model_copy(update={"row": "ours"})
    second = first.model_copy(
        update={"study": "table1", "study_id": "table1-toy", "trials": (shared,)}
    )
    assert Ledger.create(workspace, second).unfinished() == []
    linking = StudyTracker(workspace, parent_of_study(second))
    linking.complete_finished([shared])
    (link,) = children(client, linking.parent)
    source = trained["feature (2)"]
    assert link.data.tags["voxsiam.source_run"] == source.info.run_id
    assert link.info.status == "FINISHED"
    assert link.data.metrics["test/dsc"] == source.data.metrics["test/dsc"]
    assert client.get_metric_history(link.info.run_id, "train/loss") == []

    (trial,) = load_study(workspace.tracking_uri, linking.parent).trials
    assert list(trial.curve("train/loss")) == [1, 2, 3]
    # A third study links to the training, not to the link.
    third = second.model_copy(update={"study": "fig7", "study_id": "fig7-toy"})
    again = StudyTracker(workspace, parent_of_study(third))
    again.complete_finished([shared])
    (relink,) = children(client, again.parent)
    assert relink.data.tags["voxsiam.source_run"] == source.info.run_id


def test_rows_that_share_a_run_are_trained_once_and_both_have_their_figures(workspace):
    plan = make_plan(workspace, rows=1)
    (first,) = plan.trials
    twin = first.model_copy(update={"row": "the same cases"})
    plan = plan.model_copy(update={"trials": (first, twin)})
    ledger, tracker, recorder = (
        Ledger.create(workspace, plan),
        StudyTracker(workspace, parent_of_study(plan)),
        Recorder(),
    )
    assert (
        run_study(ledger, ToyCases(), workspace, Capacity.of_cluster(), [tracker, recorder]) == []
    )
    assert recorder.events == [(first.row, "started"), (first.row, "finished")]
    tracker.complete_finished(list(plan.trials))
    found = {
        trial.row: trial for trial in load_study(workspace.tracking_uri, tracker.parent).trials
    }
    assert found.keys() == {first.row, twin.row}
    assert found[first.row].final == found[twin.row].final != {}


def test_figures_that_were_not_tracked_are_written_when_the_trial_ends(workspace):
    plan = make_plan(workspace, rows=1)
    (trial,) = plan.trials
    trial.run.directory.mkdir(parents=True)
    execute_run(trial.run, ToyCases(), SingleProcess(lambda _: None))
    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.complete_finished([trial])
    (run,) = children(MlflowClient(workspace.tracking_uri), tracker.parent)
    history = MlflowClient(workspace.tracking_uri).get_metric_history(run.info.run_id, "train/loss")
    assert sorted(metric.step for metric in history) == [1, 2, 3]
    assert run.info.status == "FINISHED"
