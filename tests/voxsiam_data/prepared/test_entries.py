import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.orientation import AxisOrder
from voxsiam.volumes.placement import Placement, box_of
from voxsiam.volumes.preparation import PreparedVolume
from voxsiam_data.prepared.entries import (
    damaged_file,
    mark_checked,
    read_native_label,
    read_sound_entry,
    write_entry,
)

KEY = "0123456789abcdef"
WRITE_MANY = """
import sys
from pathlib import Path
from voxsiam_data.prepared.entries import write_entry
from tests.voxsiam_data.prepared.test_entries import volume
for i in range(30):
    write_entry(Path(sys.argv[1]), f"{i:016x}", volume())
"""


FILES = ["image.npy", "label.npy", "meta.json", "native_label.npy.gz"]
WHOLE = ((0, 32), (0, 48), (0, 64))


def volume(seed=0, box=WHOLE):
    generator = np.random.default_rng(seed)
    image = generator.random((16, 24, 32)).astype(np.float16)
    label = generator.integers(0, 8, image.shape).astype(np.uint8)
    native = label.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    order = AxisOrder((2, 1, 0), (False, False, False))
    placement = Placement(order, (32, 48, 64), (0.5, 1.0, 1.5), box_of(box))
    return PreparedVolume(image, label, native, (1, 5), PAPER_ORGANS, placement, (1.0, 2.0, 3.0))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_arrays_and_facts(tmp_path):
    facts = write_entry(tmp_path, KEY, volume())
    assert names(tmp_path) == [KEY]
    assert names(tmp_path / KEY) == FILES
    assert read_sound_entry(tmp_path / KEY) == facts
    image = np.load(tmp_path / KEY / "image.npy", allow_pickle=False)
    np.testing.assert_array_equal(image, volume().image)
    assert facts.organ_voxels["spleen"] == np.count_nonzero(volume().label == 1)
    assert facts.organ_voxels["duodenum"] == 0
    assert (facts.shape, facts.native_shape) == ((16, 24, 32), (32, 48, 64))
    assert (facts.spacing_mm, facts.native_spacing_mm) == ((1.0, 2.0, 3.0), (0.5, 1.0, 1.5))
    assert facts.box_dhw is None
    assert facts.annotated == ("spleen", "liver")


def test_a_note_that_it_passed_the_checks_leaves_the_arrays(tmp_path):
    facts = write_entry(tmp_path, KEY, volume())
    assert facts.checks_version is None
    arrays = {p.name: p.stat().st_mtime_ns for p in (tmp_path / KEY).iterdir()}
    marked = mark_checked(tmp_path / KEY, facts, 7)
    assert marked == facts.model_copy(update={"checks_version": 7})
    assert read_sound_entry(tmp_path / KEY) == marked
    assert (names(tmp_path), names(tmp_path / KEY)) == ([KEY], FILES)
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / KEY).iterdir()}
    assert {name for name in FILES if after[name] != arrays[name]} == {"meta.json"}
    assert write_entry(tmp_path, KEY[::-1], volume(), 7) == marked


def test_the_note_cannot_be_written(tmp_path):
    facts = write_entry(tmp_path, KEY, volume())
    shutil.rmtree(tmp_path / KEY)
    with pytest.raises(UserError, match="cannot be written"):
        mark_checked(tmp_path / KEY, facts, 7)
    assert names(tmp_path) == []


def test_keeps_the_native_label_small_and_the_box_of_a_crop(tmp_path):
    box = ((1, 31), (0, 48), (5, 60))
    facts = write_entry(tmp_path, KEY, volume(box=box))
    assert facts.box_dhw == box
    assert read_sound_entry(tmp_path / KEY) == facts
    native = read_native_label(tmp_path / KEY, (32, 48, 64))
    assert native.dtype == np.uint8
    np.testing.assert_array_equal(native, volume().native_label)
    assert (tmp_path / KEY / "native_label.npy.gz").stat().st_size < native.size / 4


def test_native_label_of_another_shape(tmp_path):
    write_entry(tmp_path, KEY, volume())
    with pytest.raises(ValueError, match="32, 48, 64"):
        read_native_label(tmp_path / KEY, (48, 32, 64))


def test_equal_volumes_are_equal_files(tmp_path, monkeypatch):
    write_entry(tmp_path, KEY, volume())
    monkeypatch.setattr("time.time", lambda: 1.0)
    write_entry(tmp_path, KEY[::-1], volume())
    for name in FILES:
        assert (tmp_path / KEY / name).read_bytes() == (tmp_path / KEY[::-1] / name).read_bytes()


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "native_label.npy.gz"])
def test_one_flipped_bit_is_found(tmp_path, name):
    write_entry(tmp_path, KEY, volume())
    path = tmp_path / KEY / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    assert damaged_file(tmp_path / KEY) == name
    assert read_sound_entry(tmp_path / KEY) is None


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["absent", "empty"])
def test_lost_file_is_found_and_a_second_write_mends_it(tmp_path, name, damage):
    facts = write_entry(tmp_path, KEY, volume())
    path = tmp_path / KEY / name
    path.unlink() if damage == "absent" else path.write_bytes(b"")
    assert damaged_file(tmp_path / KEY) == name
    assert write_entry(tmp_path, KEY, volume()) == facts
    assert read_sound_entry(tmp_path / KEY) == facts
    assert names(tmp_path) == [KEY]


def test_second_writer_drops_his_own(tmp_path):
    write_entry(tmp_path, KEY, volume())
    before = (tmp_path / KEY / "image.npy").stat()
    write_entry(tmp_path, KEY, volume())
    after = (tmp_path / KEY / "image.npy").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(tmp_path) == [KEY]


def test_two_processes_leave_one_sound_entry_each(tmp_path, child_environment):
    command = [sys.executable, "-c", WRITE_MANY, str(tmp_path)]
    writers = [subprocess.Popen(command, env=child_environment) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert names(tmp_path) == [f"{i:016x}" for i in range(30)]
    assert all(read_sound_entry(folder) for folder in tmp_path.iterdir())


def test_a_sketch_knows_a_scan_again(tmp_path):
    def sketch(change, key):
        one = volume(seed=1)
        image = np.clip(one.image + change, 0, 1).astype(np.float16)
        return np.array(write_entry(tmp_path, key, dataclasses.replace(one, image=image)).sketch)

    same = sketch(0, KEY)
    noise = np.random.default_rng(0).normal(0, 0.002, (16, 24, 32))
    assert same.shape == (256,)
    assert abs(float(same.mean())) < 1e-3
    assert 0 < np.abs(sketch(noise, KEY[::-1]) - same).max() < 0.05
    assert (
        np.abs(np.array(write_entry(tmp_path, "a" * 16, volume(seed=2)).sketch) - same).max() > 0.1
    )


def test_folder_that_is_gone(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        write_entry(tmp_path / "absent", KEY, volume())
