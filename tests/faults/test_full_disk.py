"""F6: a full disk ends what cannot go on, with its cause; what was written before is whole.

The disk is a tmpfs of the test's own where the kernel lets users mount one; elsewhere a limit of
the size of files, whose error has another name.
"""

import json
import subprocess
import sys

import pytest

from tests.faults.small_disk import on_small_disk
from voxsiam.orchestration.runs.result_files import TEST_FILES

ROOMS = (0, 100_000, 400_000)
"""Bytes that are left: for nothing, for a part of the weights, for a part of the moments."""

CAUSES = ("No space left on device", "File too large")
slow = pytest.mark.slow


def on_disk(child, tmp_path, room, module, *what):
    before = on_small_disk(tmp_path / "disk", "16m")
    return json.loads(child(module, *what, tmp_path, room, before=before).splitlines()[-1])


def names_the_cause(text):
    return any(cause in text for cause in CAUSES)


@pytest.mark.parametrize(
    "room", [ROOMS[1], pytest.param(ROOMS[0], marks=slow), pytest.param(ROOMS[2], marks=slow)]
)
def test_a_checkpoint_that_finds_no_room_ends_the_training_and_leaves_the_one_before(
    child, tmp_path, measured, room
):
    found = on_disk(child, tmp_path, room, "filled_checkpoint")
    assert names_the_cause(found["told"])
    assert "the checkpoint of epoch 2 cannot be written" in found["told"]
    assert "make room" in found["told"]
    assert found["left"] == ["epoch-0001"]
    assert found["kept"] == 1
    assert found["equal"], "with room it ends as the unbroken one"
    measured(told=found["told"].partition("(")[2].partition(")")[0], kept="epoch 1")


@slow
@pytest.mark.parametrize("room", [0, 2_000, 9_000])
def test_a_case_that_finds_no_room_in_the_prepared_set_is_told_and_leaves_nothing(
    child, tmp_path, measured, room
):
    found = on_disk(child, tmp_path, room, "filled_disk", "cache")
    assert names_the_cause(found["told"])
    assert found["where"].endswith("volumes")
    assert "make room" in found["fix"]
    assert found["left"] == [found["first"]]
    assert found["sound"]
    assert found["equal"], "with room all three are there, whole, once"
    measured(told=found["told"])


@slow
@pytest.mark.parametrize("room", [0, 20_000, 200_000])
def test_a_store_without_room_costs_no_figure(child, tmp_path, measured, room):
    found = on_disk(child, tmp_path, room, "filled_disk", "tracking")
    assert found["status"] == "FINISHED"
    assert found["runs"] == 1
    assert found["equal"], "all epochs are there, once"
    assert len(found["files"]) == len(TEST_FILES)
    assert all(found["files"].values())
    measured(metrics_lost=0, files=len(found["files"]))


COMMAND = """
import sys
from pathlib import Path
from tests.faults.small_disk import full
from voxsiam_cli.app import main
with full(Path(sys.argv.pop(1)), 30_000):
    main()
"""


@slow
def test_a_command_without_room_says_so_in_three_lines(child_environment, tmp_path):
    disk = tmp_path / "disk"
    before = on_small_disk(disk, "4m")
    command = [sys.executable, "-c", COMMAND, str(disk), "data", "phantom", "--cases", "1"]
    done = subprocess.run(
        [*before, *command, "-o", str(disk / "phantoms")],
        env=child_environment, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    what, where, fix = done.stderr.strip().splitlines()
    assert names_the_cause(what)
    assert str(disk) in where
    assert "make room" in fix
