import shutil

import numpy as np
import pytest

from tests.nifti_files import write_scan
from tests.small_data_sets import write_case_folders, write_nnunet
from tests.source_miniatures import write_btcv, write_label_maps, write_totalsegmentator
from voxsiam.errors import UserError
from voxsiam_data.sources.detect import find_source


def refusal(path):
    with pytest.raises(UserError) as caught:
        find_source(path)
    return caught.value


def one_case(root):
    return write_case_folders(root) / "anna"


def scans(root):
    return write_nnunet(root) / "imagesTr"


def scans_of_btcv(root):
    return write_btcv(root) / "RawData" / "Training" / "img"


def one_of_totalsegmentator(root):
    return write_totalsegmentator(root) / "s0000"


def windowed(root):
    write_scan(root / "case.nii.gz", np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 4, 4))
    return root


def stored_from_zero(root):
    write_scan(root / "case.nii.gz", np.linspace(0, 2047, 64, dtype=np.uint16).reshape(4, 4, 4))
    return root


@pytest.mark.parametrize(
    "make",
    [one_case, scans, scans_of_btcv, one_of_totalsegmentator, windowed, stored_from_zero],
)
def test_scans_do_not_pass_for_label_maps(tmp_path, make):
    folder = make(tmp_path / "data")
    error = refusal(folder)
    assert error.what.startswith("These look like CTs, not label maps: ")
    assert error.where == str(folder)
    assert "imagesTr and labelsTr" in error.fix
    assert str(folder.parent) in error.fix


def test_label_maps_pass_and_damaged_ones_are_left_to_their_check(tmp_path):
    root = write_label_maps(tmp_path / "maps")
    (root / "0.nii.gz").write_bytes(b"")
    assert len(find_source(root).manifest.cases) == 3


def test_an_empty_folder(tmp_path):
    assert refusal(tmp_path).what == "The folder is empty."
    (tmp_path / "file").write_text("x")
    assert "not a folder" in refusal(tmp_path / "file").what


def test_the_parent_of_data_sets_lists_them(tmp_path):
    write_nnunet(tmp_path / "raw" / "Dataset001")
    write_case_folders(tmp_path / "clinic")
    error = refusal(tmp_path)
    assert error.what.endswith("holds 2: clinic, raw/Dataset001.")
    assert str(tmp_path / "clinic") in error.fix
    for number in range(9):
        (tmp_path / f"more{number}").mkdir()
        shutil.copytree(tmp_path / "clinic", tmp_path / f"more{number}" / "set")
    assert refusal(tmp_path).what.endswith(" and 3 more.")
