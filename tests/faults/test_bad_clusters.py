"""F20, F23: clusters that are not as they should be are named, in three lines."""

import csv
import json

import pytest

from tests.own_host import on_a_host_of_its_own
from voxsiam.orchestration.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def on_own_host(child, tmp_path):
    """Run a program of this package on a host of its own; return what it found."""

    def run(module):
        lines = child(module, tmp_path, before=on_a_host_of_its_own()).splitlines()
        return json.loads(lines[-1])

    return run


def test_a_node_without_torch_is_named(on_own_host):
    found = on_own_host("bare_node")
    assert found["code"] == 2
    *before, what, where, fix = found["said"].splitlines()
    # A host without a network is warned of by Ray.
    assert all(line.startswith(("workspace: ", "[")) for line in before), found["said"]
    assert what.startswith("error: nodes cannot run our code: ")
    assert where.endswith("No module named 'torch'")
    assert "make install" in fix


def table_of(folder):
    with (Workspace(folder).report("table3") / "table.csv").open() as file:
        return list(csv.reader(file))


def test_a_head_that_is_killed_is_named_and_the_same_command_goes_on(
    on_own_host, tmp_path, measured
):
    found = on_own_host("lost_head")
    broken = found["broken"]
    assert broken["code"] == 1
    *before, what, where, fix = broken["said"].splitlines()
    assert all(line.startswith("[") for line in before), broken["said"]
    assert what.startswith("error: the head of the cluster is gone")
    assert where.startswith("  where: 127.0.0.1:")
    assert fix.startswith("  fix:   start Ray")
    assert found["again"]["code"] == 0, found["again"]["said"]
    assert found["unbroken"]["code"] == 0, found["unbroken"]["said"]
    assert table_of(tmp_path / "broken") == table_of(tmp_path / "unbroken")
    measured(told_after_s=broken["after_s"])
