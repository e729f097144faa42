"""A node that joins while a study runs is looked at by whoever is to train there."""

import socket
from pathlib import Path

import pytest

from tests.integration.nodes import extra_node, head_is_full
from tests.voxsiam.orchestration.toy_study import Recorder, ToyCases, make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.node_view import Versions
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.trials.joined_node import require_like_the_others
from voxsiam.orchestration.workspace import Workspace


def test_a_node_like_the_others_is_taken(tmp_path):
    require_like_the_others(tmp_path, Versions.here().release)


def test_a_node_of_other_versions_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"differs in versions .* from the others") as caught:
        require_like_the_others(tmp_path, "Python 3.9.1, torch 2.0.0, method 1")
    assert caught.value.where == socket.gethostname()


def test_a_node_without_the_folder_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="does not see") as caught:
        require_like_the_others(tmp_path / "not mounted", Versions.here().release)
    assert caught.value.where == socket.gethostname()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_to_train_on_such_a_node_says_why_it_did_not(
    ray_instance, tmp_path, monkeypatch, workers
):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path / "workspace")
    # Processes have folders of their own there, as machines have their own disks.
    workspace.root = Path("/proc/self/cwd/workspace")
    plan = make_plan(workspace, workers=workers, rows=1)
    ledger, heard = Ledger.create(workspace, plan), Recorder()
    (tmp_path / "elsewhere").mkdir()
    with extra_node(cpus=workers, cwd=tmp_path / "elsewhere"), head_is_full():
        capacity = Capacity.of_cluster()
        (failed,) = run_study(ledger, ToyCases(), workspace, capacity, [heard], threads=1)
    assert failed == plan.trials[0]
    assert not list((tmp_path / "elsewhere").rglob("*.safetensors"))
    assert heard.events[-1] == (failed.row, "failed")
    assert "does not see" in str(heard.errors[-1])
