"""F12: commands that build the same prepared set at once leave one valid set."""

import json

import pytest

from tests.small_data_sets import write_case_folders
from voxsiam_data.prepared.entries import damaged_file
from voxsiam_data.prepared.prepared_set import open_prepared


@pytest.mark.slow
def test_processes_that_build_the_same_volumes_leave_each_once(
    child, tmp_path, full_counts, measured
):
    tries = 20 if full_counts else 4
    found = [json.loads(line) for line in child("one_cache", tmp_path, tries).splitlines()]
    assert len(found) == tries
    for one in found:
        assert one["codes"] == [0, 0, 0, 0], "three writers and a reader"
        assert len(one["left"]) == 3, "no partial folder, no copy"
        assert one["sound"]
    assert len({tuple(one["left"]) for one in found}) == 1
    measured(tries=tries, valid_caches=tries, partial_reads=0)


@pytest.mark.slow
def test_two_commands_at_once_leave_one_set(program, tmp_path):
    source = write_case_folders(tmp_path / "clinic")
    command = ("data", "prepare", str(source), "-o", "prepared", "--grid", "32x32x32")
    both = [program(*command, workspace=f"w{number}") for number in range(2)]
    said = [process.stdout.read() for process in both]
    assert [process.wait() for process in both] == [0, 0], said
    prepared = open_prepared(tmp_path / "prepared")
    assert len(prepared.cases) == 3
    assert all(damaged_file(prepared.folder(case)) is None for case in prepared.cases)
    assert prepared.fingerprint in said[0]
    assert prepared.fingerprint in said[1]
    assert len(list((tmp_path / "prepared" / "volumes").iterdir())) == 3
