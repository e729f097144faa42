import shutil

import numpy as np
import pytest

from tests.nifti_files import write_scan
from tests.small_data_sets import write_case_folders, write_nnunet
from tests.source_miniatures import write_btcv, write_label_maps, write_totalsegmentator
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source


def test_label_maps_without_scans(tmp_path):
    root = write_label_maps(tmp_path / "anatomy")
    cases = find_source(root).manifest.cases
    assert [(c.case_id, c.image, c.source) for c in cases] == [
        ("a", None, "anatomy"),
        ("b", None, "anatomy"),
    ]
    path = root / "a.nii.gz"
    ours = {value: value for value in range(9)}
    assert cases[0].label == LabelMap(path=path, values=ours)
    word = protocol("word")
    other = find_source(root, word).manifest.cases[0].label
    assert other == LabelMap(path=path, values=word.values_for())


def test_a_name_twice(tmp_path):
    root = write_label_maps(tmp_path)
    shutil.copy(root / "a.nii.gz", root / "a.nii")
    with pytest.raises(UserError, match=r"the same case as a\.nii"):
        find_source(root)


@pytest.mark.shared_data
def test_real_label_maps(shared_data):
    manifest = find_source(shared_data / "anatomy").manifest
    assert len(manifest.cases) == 30
    assert manifest.cases[0].case_id == "word_01"


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
