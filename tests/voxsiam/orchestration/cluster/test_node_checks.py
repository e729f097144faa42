import socket
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from tests.integration.nodes import extra_node, head_is_full
from tests.voxsiam.orchestration.toy_study import Recorder, ToyCases, make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster import node_checks
from voxsiam.orchestration.cluster.capacity import Capacity, Node
from voxsiam.orchestration.cluster.node_checks import (
    NodeView,
    Versions,
    require_like_the_others,
    require_versions,
)
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.workspace import Workspace


def version(build, python="3.11.7", method=1):
    return Versions(python, f"2.13.0+{build}" if build else "2.13.0", method, build != "cpu")


def node(name, gpus=0.0):
    return Node(name, name, 8.0, gpus)


def test_the_head_may_have_another_build_than_the_nodes_that_train():
    found = {node("a", gpus=1.0): version("cu130"), node("b", gpus=2.0): version("cu130")}
    require_versions(found, version("cpu"))


def test_a_node_that_only_prepares_may_have_another_build():
    found = {node("a", gpus=1.0): version("cu130"), node("b"): version("cpu")}
    require_versions(found, version("cpu"))


def test_nodes_that_train_on_different_builds_are_refused():
    found = {node("a", gpus=1.0): version("cu130"), node("b", gpus=1.0): version("cu126")}
    with pytest.raises(UserError, match=r"different builds of torch.*a, b") as caught:
        require_versions(found, version("cpu"))
    assert caught.value.where == "2.13.0+cu126; 2.13.0+cu130"
    mixed = {node("a"): version("cpu"), node("b"): version("")}
    with pytest.raises(UserError, match="different builds of torch"):
        require_versions(mixed, version("cpu"))


@pytest.mark.parametrize(
    "other", [version("cpu", python="3.11.9"), version("cpu", method=2),
              Versions("3.11.7", "2.12.0+cpu", 1, for_gpus=False)],
)  # fmt: skip
def test_another_release_is_refused_with_the_node(other):
    with pytest.raises(UserError, match=r"differ in versions.*: b\n") as caught:
        require_versions({node("a"): version("cpu"), node("b"): other}, version("cpu"))
    assert other.release in caught.value.where


def test_gpus_that_torch_cannot_use_are_refused():
    with pytest.raises(UserError, match="GPUs that their torch cannot use: a"):
        require_versions({node("a", gpus=1.0): version("cpu")}, version("cpu"))


def test_a_head_that_trains_is_compared_with_the_others(monkeypatch, tmp_path):
    """A processor on each of two nodes: both train, this one too."""
    head, other = node("head"), node("other")
    views = {other: NodeView("", version("cu130"), time.time())}
    monkeypatch.setattr(node_checks, "_others", lambda _: [other])
    monkeypatch.setattr(node_checks, "_views", lambda *_: views)
    monkeypatch.setattr(node_checks, "sha256_of", lambda _: "")
    monkeypatch.setattr(node_checks.Versions, "here", lambda: version("cpu"))
    with pytest.raises(UserError, match=r"different builds of torch.*head, other"):
        node_checks.check_workspace([head, other], Workspace(tmp_path))


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("RuntimeError: ModuleNotFoundError: No module named 'torch'", "make install"),
        ("RuntimeEnvSetupError: OSError: [Errno 28] No space left on device", "make room there"),
        ("WorkerCrashedError: The worker died unexpectedly", "make room there"),
    ],
)
def test_a_node_that_cannot_run_our_code_is_refused_with_what_helps(error, fix):
    """The errors are those that real nodes gave (docs/faults.md)."""
    assert fix in node_checks._mend([error])


def test_a_clock_that_differs_is_told_with_the_node_and_the_seconds(caplog):
    hour = 3600.0
    views = {
        node(name): NodeView("", version("cpu"), time.time() + off)
        for name, off in (("ahead", hour), ("behind", -hour), ("right", 1.0))
    }
    node_checks._tell_clocks(views)
    assert [text.split(" differs")[0] for text in caplog.messages] == [
        "the clock of ahead",
        "the clock of behind",
    ]


def test_whoever_waits_for_nodes_says_which_have_not_answered(ray_instance):
    answer: Any = ray.remote(num_cpus=0)(lambda: None)
    elsewhere: Any = ray.remote(num_cpus=0, resources={"another machine": 1})(lambda: None)
    first, second = answer.remote(), elsewhere.remote()
    ray.wait([first], timeout=60)
    try:
        assert node_checks._silent({first: node("a"), second: node("b")}) == ["b"]
    finally:
        ray.cancel(second)


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
    workspace.runs = Path("/proc/self/cwd/workspace/runs")
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
