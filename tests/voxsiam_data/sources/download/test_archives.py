import io
import tarfile

import pytest

from voxsiam.errors import UserError
from voxsiam_data.sources.download.archives import unpack

LABELS = {"labels/label0002.nii.gz": b"two", "labels/label0003.nii.gz": b"three"}


def write_tar(path, files, *members, packing="gz"):
    with tarfile.open(path, f"w:{packing}") as tar:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in members:
            tar.addfile(info)
    return path


def member(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def texts(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("packing", ["", "gz", "bz2"])
def test_files_and_folders(tmp_path, packing):
    archive = write_tar(
        tmp_path / "a.tar", LABELS, member("labels", tarfile.DIRTYPE), packing=packing
    )
    assert unpack(archive, tmp_path / "out") == [tmp_path / "out" / "labels"]
    assert texts(tmp_path / "out") == LABELS
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_second_call_leaves_what_is_there(tmp_path):
    archive = write_tar(tmp_path / "a.tar", LABELS)
    unpack(archive, tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    unpack(archive, tmp_path)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before


def test_other_files_are_not_replaced(tmp_path):
    archive = write_tar(tmp_path / "a.tar", LABELS)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "label0002.nii.gz").write_bytes(b"mine")
    with pytest.raises(UserError, match="differs from the archive") as caught:
        unpack(archive, tmp_path)
    assert caught.value.where == str(tmp_path / "labels")
    assert (tmp_path / "labels" / "label0002.nii.gz").read_bytes() == b"mine"


def test_a_folder_that_was_half_unpacked_by_other_means_is_told(tmp_path):
    archive = write_tar(tmp_path / "a.tar", LABELS)
    unpack(archive, tmp_path)
    (tmp_path / "labels" / "label0003.nii.gz").unlink()
    with pytest.raises(UserError, match="differs from the archive"):
        unpack(archive, tmp_path)


HOSTILE = {
    "above": ({"../evil": b"x"}, ()),
    "inside, then above": ({"labels/../../evil": b"x"}, ()),
    "absolute": ({"/tmp/evil": b"x"}, ()),
    "backslashes": ({"..\\evil": b"x"}, ()),
    "link": ({}, (member("labels/a", tarfile.SYMTYPE, "/etc/passwd"),)),
    "hard link": ({}, (member("labels/a", tarfile.LNKTYPE, "../evil"),)),
    "device": ({}, (member("labels/a", tarfile.CHRTYPE),)),
    "pipe": ({}, (member("labels/a", tarfile.FIFOTYPE),)),
    "file through a link": (
        {"labels/a/b": b"x"},
        (member("labels/a", tarfile.SYMTYPE, ".."),),
    ),
    "too large": ({"labels/a": bytes(2000)}, ()),
    "too large together": ({f"labels/{n}": bytes(300) for n in range(4)}, ()),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives(tmp_path, name):
    files, members = HOSTILE[name]
    archive = write_tar(tmp_path / "a.tar", LABELS | files, *members)
    with pytest.raises(UserError) as caught:
        unpack(archive, tmp_path / "out", max_bytes=1000)
    assert caught.value.where == str(archive)
    assert not texts(tmp_path / "out")
    assert not list(tmp_path.rglob("*evil*"))


def test_a_bomb_is_refused_from_its_header(tmp_path):
    info = member("bomb", tarfile.REGTYPE)
    info.size = 2**40
    archive = tmp_path / "a.tar"
    archive.write_bytes(info.tobuf() + bytes(1024))
    with pytest.raises(UserError, match="more than 2048 MiB"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["cut", "noise", "twice", "empty"])
def test_damaged_archives(tmp_path, name):
    archive = write_tar(tmp_path / "a.tar", LABELS | {"labels/big": bytes(range(256)) * 999})
    whole = archive.read_bytes()
    if name == "twice":
        write_tar(archive, {"a": b""}, member("a", tarfile.REGTYPE))
    else:
        archive.write_bytes(
            {"cut": whole[: len(whole) // 2], "noise": b"x" * 999, "empty": b""}[name]
        )
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")
    assert not texts(tmp_path / "out")
