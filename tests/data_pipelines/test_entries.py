import subprocess
import sys

import numpy as np
import pytest

from data_pipelines.entries import damaged_file, entry_key, read_sound_entry, write_entry
from voxsiam.errors import UserError
from voxsiam.volumes.preparation import PreparationConfig, PreparedVolume

KEY = "0123456789abcdef"
WRITE_MANY = """
import sys
from pathlib import Path
from data_pipelines.entries import write_entry
from tests.data_pipelines.test_entries import volume
for i in range(30):
    write_entry(Path(sys.argv[1]), f"{i:016x}", volume())
"""


def volume(seed=0):
    generator = np.random.default_rng(seed)
    image = generator.random((16, 24, 32)).astype(np.float16)
    label = generator.integers(0, 8, image.shape).astype(np.uint8)
    return PreparedVolume(image, label, (1.0, 2.0, 3.0), (32, 48, 64), (0.5, 1.0, 1.5))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_arrays_and_facts(tmp_path):
    facts = write_entry(tmp_path, KEY, volume())
    assert names(tmp_path) == [KEY]
    assert names(tmp_path / KEY) == ["image.npy", "label.npy", "meta.json"]
    assert read_sound_entry(tmp_path / KEY) == facts
    image = np.load(tmp_path / KEY / "image.npy", allow_pickle=False)
    np.testing.assert_array_equal(image, volume().image)
    assert facts.organ_voxels["spleen"] == np.count_nonzero(volume().label == 1)
    assert facts.organ_voxels["duodenum"] == 0
    assert (facts.shape, facts.native_shape) == ((16, 24, 32), (32, 48, 64))
    assert (facts.spacing_mm, facts.native_spacing_mm) == ((1.0, 2.0, 3.0), (0.5, 1.0, 1.5))


@pytest.mark.parametrize("name", ["image.npy", "label.npy"])
def test_one_flipped_bit_is_found(tmp_path, name):
    write_entry(tmp_path, KEY, volume())
    path = tmp_path / KEY / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    assert damaged_file(tmp_path / KEY) == name
    assert read_sound_entry(tmp_path / KEY) is None


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "meta.json"])
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


def test_folder_that_is_gone(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        write_entry(tmp_path / "absent", KEY, volume())


def test_key_depends_on_each_part():
    config = PreparationConfig()
    keys = {
        entry_key("a", "b", {0: 0, 1: 5}, config),
        entry_key("x", "b", {0: 0, 1: 5}, config),
        entry_key("a", "x", {0: 0, 1: 5}, config),
        entry_key("a", "b", {0: 0, 1: 6}, config),
        entry_key("a", "b", {0: 0, 1: 5}, config.with_grid((32, 32, 32))),
        entry_key("a", "b", {0: 0, 1: 5}, PreparationConfig(window_hu=(-200, 251))),
    }
    assert len(keys) == 6
    assert entry_key("a", "b", {1: 5, 0: 0}, config) in keys
