"""Several nodes: real raylets beside the session's own."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from mlflow.tracking import MlflowClient
from ray.util.placement_group import placement_group, remove_placement_group

from tests.integration.nodes import extra_node, head_is_full
from tests.voxsiam.orchestration.toy_study import Recorder, ToyCases, losses, make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster import node_checks
from voxsiam.orchestration.cluster.capacity import Capacity, worker_resources
from voxsiam.orchestration.cluster.node_checks import Versions, check_data, check_workspace
from voxsiam.orchestration.cluster.training_node import on_training_node
from voxsiam.orchestration.cluster.waiting import PATIENCE_SETTING, WaitedTooLongError
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam_data.prepared.prepare import prepare
from voxsiam_data.sources.detect import read_source

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def unbroken(folder, workers=1):
    """The same training with as many workers as one node holds, without a fault."""
    workspace = Workspace(folder)
    plan = make_plan(workspace, workers=workers, rows=1)
    ledger, capacity = Ledger.create(workspace, plan), Capacity.of_cluster()
    assert run_study(ledger, ToyCases(), workspace, capacity, [], threads=1) == []
    return losses(plan.trials[0].run)


def test_a_training_spans_two_nodes_and_gives_the_same(workspace, tmp_path):
    plan = make_plan(workspace, workers=5, rows=1)
    ledger = Ledger.create(workspace, plan)
    with pytest.raises(UserError, match="5 workers"):
        Capacity.of_cluster().trials_at_once(5)
    with extra_node(cpus=5):
        expected = unbroken(tmp_path / "unbroken", workers=5)
    with extra_node(cpus=1):
        capacity = Capacity.of_cluster()
        check_workspace(capacity.nodes, workspace)
        assert run_study(ledger, ToyCases(), workspace, capacity, [], threads=1) == []
    assert losses(plan.trials[0].run) == expected


class KillAtEpoch(Recorder):
    """Kills a node when a trial on it has done an epoch, and gives the head its CPUs back."""

    def __init__(self, node, epoch, then, killed):
        super().__init__()
        self._node, self._epoch, self._then, self._killed = node, epoch, then, killed

    def epoch_done(self, planned, record):
        super().epoch_done(planned, record)
        if self._node is not None and record["epoch"] == self._epoch:
            self._node.kill()
            self._node = None
            self._killed.touch()
            self._then()


class HeldBack(ToyCases):
    """Cases that are not read in the third epoch before the node was killed.

    A training of the tests would have ended before its driver hears of the first epoch.
    """

    def __init__(self, killed):
        self.killed, self.reads = killed, Counter()

    def __call__(self, case_id):
        self.reads[case_id] += 1
        while self.reads[case_id] > 2 and not self.killed.exists():
            time.sleep(0.05)
        return super().__call__(case_id)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_dies_and_its_trial_goes_on_elsewhere(workspace, tmp_path, workers):
    plan = make_plan(workspace, workers=workers, rows=1)
    ledger = Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    with extra_node(cpus=workers) as node, ExitStack() as full:
        full.enter_context(head_is_full())
        killed = tmp_path / "killed"
        killer = KillAtEpoch(node, 1, full.close, killed)
        capacity = Capacity.of_cluster()
        listeners = [tracker, killer]
        cases = HeldBack(killed)
        assert run_study(ledger, cases, workspace, capacity, listeners, threads=1) == []
    tracker.ended("finished")
    (trial,) = plan.trials
    assert losses(trial.run) == unbroken(tmp_path / "unbroken", workers)
    # Only an epoch whose checkpoint was not yet written is trained again.
    assert killer.epochs == [1, 2, 3]
    assert killer.events[-1] == (trial.row, "finished")
    assert [state for _, state in killer.events].count("finished") == 1
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_run(tracker.parent).info.experiment_id
    (run,) = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{tracker.parent}'")
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted({metric.step for metric in history}) == [1, 2, 3]
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize("share", [1.0, 0.5, 1 / 3, 0.25, 0.66])
def test_as_many_trials_share_the_gpus_as_we_count(share):
    with extra_node(cpus=8, gpus=2):
        slots = Capacity.of_cluster().trials_at_once(1, share)
        groups = [placement_group([worker_resources(share)]) for _ in range(slots)]
        try:
            ray.get([group.ready() for group in groups], timeout=60)
            left = ray.available_resources().get("GPU", 0)
        finally:
            for group in groups:
                remove_placement_group(group)
        # What is left over is in pieces, none of which is enough for one more.
        assert left / 2 < share


def test_a_folder_of_one_machine_is_refused_with_the_nodes_that_do_not_see_it(workspace, tmp_path):
    with extra_node(cpus=1, cwd=tmp_path):
        nodes = Capacity.of_cluster().nodes
        check_workspace(nodes, workspace)
        # Processes have their own files there, as machines have their own disks.
        with pytest.raises(UserError, match="prepared set is not the same on every node") as caught:
            check_data(nodes, Path("/proc/self/environ"))
        assert nodes[-1].name in caught.value.what
        workspace.root = Path("/proc/self/cwd")
        with pytest.raises(UserError, match="workspace is not the same folder") as caught:
            check_workspace(nodes, workspace)
        assert nodes[-1].name in caught.value.what


def test_another_version_on_a_node_is_refused(workspace, monkeypatch):
    with extra_node(cpus=1):
        ours = replace(Versions.here(), method=10**6)
        monkeypatch.setattr(node_checks.Versions, "here", lambda: ours)
        with pytest.raises(UserError, match="differ in versions") as caught:
            check_workspace(Capacity.of_cluster().nodes, workspace)
        assert "method" in caught.value.where


def refuse(where):
    raise UserError("no", where=where, fix="none")


def here():
    return ray.get_runtime_context().get_node_id()


def test_a_measurement_is_made_where_trainings_run_and_its_refusal_comes_back():
    with extra_node(cpus=2) as node:
        capacity = Capacity.of_cluster()
        with head_is_full():
            assert on_training_node(capacity, here) == node.node_id
            with pytest.raises(UserError, match="no") as caught:
                on_training_node(capacity, refuse, "there")
    assert caught.value.where == "there"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv(PATIENCE_SETTING, "12")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_without_room_says_who_holds_it_ends_and_goes_on_later(workspace, workers, caplog):
    plan = make_plan(workspace, workers=workers, rows=1)
    ledger, capacity = Ledger.create(workspace, plan), Capacity.of_cluster()
    with head_is_full(), pytest.raises(WaitedTooLongError, match="CPU") as caught:
        run_study(ledger, ToyCases(), workspace, capacity, [], threads=1)
    assert "this command: 4 CPU" in caught.value.what
    assert any("waiting for" in told for told in caplog.messages)
    assert ledger.state(plan.trials[0]) == ("pending" if workers == 1 else "interrupted")
    assert run_study(ledger, ToyCases(), workspace, capacity, [], threads=1) == []


@pytest.mark.usefixtures("impatient")
def test_a_preparation_without_room_says_who_holds_it_and_ends(
    nnunet_folder, small_config, tmp_path
):
    manifest = read_source(nnunet_folder)
    with head_is_full(), pytest.raises(WaitedTooLongError, match="first case") as caught:
        prepare(manifest, tmp_path / "prepared", small_config)
    assert "this command: 4 CPU" in caught.value.what
    assert len(prepare(manifest, tmp_path / "prepared", small_config).cases) == 2


def test_a_node_that_died_meanwhile_is_left_out_by_name(workspace, tmp_path, caplog):
    record = tmp_path / "prepared.json"
    record.write_text("{}")
    with extra_node(cpus=1) as node:
        nodes = Capacity.of_cluster().nodes
        node.kill()
        check_data(nodes, record)
    (lost,) = [each for each in nodes if each.node_id == node.node_id]
    assert caplog.messages == [f"{lost.name} has left the cluster: going on without it"]
