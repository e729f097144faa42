import os

import pytest

from voxsiam.errors import UserError
from voxsiam_data.prepared.file_index import FileIndex, known_file


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "Doe_Jane.nii.gz"
    path.write_bytes(b"first")
    return path


def test_remembers_unchanged_files_across_instances(tmp_path, file):
    index = FileIndex(tmp_path / "index.json")
    assert index.sha256(file) is None
    known = known_file(file)
    index.remember([known])
    assert FileIndex(tmp_path / "index.json").sha256(file) == known.sha256
    assert known.sha256 != known_file(tmp_path / "index.json").sha256


def test_notices_a_change_of_size(tmp_path, file):
    index = FileIndex(tmp_path / "index.json")
    index.remember([known_file(file)])
    file.write_bytes(b"longer than before")
    assert index.sha256(file) is None


def test_notices_a_change_behind_the_same_size_and_time(tmp_path, file):
    index = FileIndex(tmp_path / "index.json")
    index.remember([known_file(file)])
    before = file.stat()
    file.write_bytes(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert index.sha256(file) is None


def test_names_of_patients_do_not_enter(tmp_path, file):
    FileIndex(tmp_path / "index.json").remember([known_file(file)])
    assert "Doe" not in (tmp_path / "index.json").read_text()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b"[" * 50_000])
def test_damaged_index_is_only_slow(tmp_path, file, content):
    (tmp_path / "index.json").write_bytes(content)
    index = FileIndex(tmp_path / "index.json")
    assert index.sha256(file) is None
    index.remember([known_file(file)])
    assert FileIndex(tmp_path / "index.json").sha256(file)


def test_nothing_new_writes_nothing(tmp_path, file):
    index = FileIndex(tmp_path / "index.json")
    index.remember([])
    assert not (tmp_path / "index.json").exists()
    index.remember([known_file(file)])
    before = (tmp_path / "index.json").stat().st_ino
    index.remember([known_file(file)])
    assert (tmp_path / "index.json").stat().st_ino == before


def test_absent_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        known_file(tmp_path / "absent")
