"""Nothing that looks like a scan or a label map is passed over without a word."""

import shutil

import pytest

from tests.nifti_files import phantom_ct, write_scan
from tests.small_data_sets import write_case_folders, write_nnunet
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.inventory import unused_files

IMAGE, LABEL = phantom_ct((7, 6, 5))


@pytest.fixture
def nnunet(tmp_path):
    return write_nnunet(tmp_path / "D")


def unused(root, *ignored):
    return {str(one.path): one for one in unused_files(root, find_source(root), ignored)}


def test_a_whole_data_set_has_nothing_unused(nnunet, tmp_path):
    assert unused(nnunet) == {}
    assert unused(write_case_folders(tmp_path / "clinic")) == {}


def put(root, name):
    return write_scan(root / f"{name}.nii.gz", IMAGE)


LOST = {
    "another folder": lambda root: put(root, "more/scan"),
    "beside the folders": lambda root: put(root, "scan"),
    "a second label folder": lambda root: put(root, "labelsTr2/a"),
    "an Analyze file": lambda root: (root / "imagesTr/x.img").write_bytes(bytes(99)),
    "a dead link": lambda root: (
        (root / "imagesTr2").mkdir() or (root / "imagesTr2/x.nii.gz").symlink_to("nowhere")
    ),
    "a NRRD file": lambda root: (root / "x.NRRD").write_bytes(b"NRRD0004"),
    "a dead link to a slice": lambda root: (root / "IM2").symlink_to("nowhere"),
    "DICOM called after its UID": lambda root: (root / "IM.1.2.840.17").write_bytes(
        bytes(128) + b"DICM" + bytes(99)
    ),
    "DICOM": lambda root: (root / "IM1").write_bytes(bytes(128) + b"DICM" + bytes(99)),
}


@pytest.mark.parametrize("name", LOST)
def test_what_may_be_missed_is_named_with_its_reason(nnunet, name):
    LOST[name](nnunet)
    (found,) = unused(nnunet).values()
    assert found.is_lost
    assert found.why
    assert unused(nnunet, found.path.name) == {}
    assert unused(nnunet, f"*{found.path.suffix}" if found.path.suffix else "IM*") == {}


def test_what_has_its_place_is_named_and_not_missed(nnunet):
    put(nnunet, "imagesTs/c9_0000")
    put(nnunet, "aorta")
    (nnunet / "notes.txt").symlink_to("nowhere")
    assert [one.is_lost for one in unused(nnunet).values()] == [False, False, False]


def test_what_is_no_scan_is_no_matter(nnunet):
    for name in ("README.txt", "notes.pdf", ".DS_Store", "splits_final.json", "LICENSE"):
        (nnunet / name).write_bytes(b"x" * 200)
    put(nnunet, ".hidden/scan")
    assert unused(nnunet) == {}


def test_a_folder_that_holds_a_link_to_itself(nnunet):
    (nnunet / "loop").symlink_to(nnunet)
    assert unused(nnunet) == {}


def test_ten_thousand_files_that_are_no_scans(nnunet):
    folder = nnunet / "pictures"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"{number}.png").touch()
    assert unused(nnunet) == {}


def test_the_label_map_that_was_not_chosen(nnunet):
    """dataset.json lists another one of the same name."""
    text = (nnunet / "dataset.json").read_text()
    first = sorted((nnunet / "labelsTr").iterdir())[0]
    (nnunet / "second").mkdir()
    shutil.copy(first, nnunet / "second" / first.name)
    case = first.name.removesuffix(".nii.gz")
    listed = f'"training": [{{"image": "imagesTr/{case}.nii.gz", "label": "second/{first.name}"}}]'
    (nnunet / "dataset.json").write_text(text.replace("{", "{" + listed + ",", 1))
    assert list(unused(nnunet)) == [f"labelsTr/{first.name}"]


def test_several_slices_of_a_folder_are_one_entry(nnunet):
    (nnunet / "old").mkdir()
    for number in range(5):
        (nnunet / f"old/IM{number}").write_bytes(bytes(128) + b"DICM" + bytes(99))
    (found,) = unused(nnunet).values()
    assert (str(found.path), found.why) == ("old", "5 DICOM files that no case uses")
    assert found.is_lost


def test_a_published_set_may_hold_more_of_its_kind_but_nothing_broken_or_foreign(tmp_path):
    root = tmp_path / "amos"
    for name in ("imagesTr/amos_0001", "labelsTr/amos_0001", "imagesTs/amos_0002"):
        put(root, name)
    put(root, "imagesTr/amos_0600")
    put(root, "labelsTr/amos_0600")
    (root / "x.nrrd").write_bytes(b"NRRD0004")
    (root / "dead.nii.gz").symlink_to("nowhere")
    assert {str(path): one.is_lost for path, one in unused(root).items()} == {
        "dead.nii.gz": True,
        "imagesTr/amos_0600.nii.gz": False,
        "imagesTs/amos_0002.nii.gz": False,
        "labelsTr/amos_0600.nii.gz": False,
        "x.nrrd": True,
    }
