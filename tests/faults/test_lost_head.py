"""F23: a head that is killed under a study is said in three lines; the same command goes on."""

import csv
import json

import pytest

from tests.own_host import on_a_host_of_its_own
from voxsiam.orchestration.workspace import Workspace


def table_of(folder):
    with (Workspace(folder).report("table3") / "table.csv").open() as file:
        return list(csv.reader(file))


@pytest.mark.slow
def test_a_lost_head_is_named_and_the_same_command_goes_on(child, tmp_path, measured):
    lines = child("lost_head", tmp_path, before=on_a_host_of_its_own()).splitlines()
    found = json.loads(lines[-1])
    broken = found["broken"]
    assert broken["code"] == 1
    *before, what, where, fix = broken["said"].splitlines()
    assert all(line.startswith("[") for line in before), broken["said"]
    assert what.startswith("error: the head of the cluster is gone")
    assert (where.startswith("  where: 127.0.0.1:"), fix.startswith("  fix:   start Ray")) == (
        True, True,
    )  # fmt: skip
    assert found["again"]["code"] == 0, found["again"]["said"]
    assert found["unbroken"]["code"] == 0, found["unbroken"]["said"]
    assert table_of(tmp_path / "broken") == table_of(tmp_path / "unbroken")
    measured(told_after_s=broken["after_s"])
