import shutil

import pytest

from tests.source_miniatures import (
    abdomen,
    as_published,
    write_btcv,
    write_btcv_original,
    write_btcv_scans,
    write_ct,
    write_label,
    write_pancreas_ct,
)
from voxsiam.errors import UserError
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source


@pytest.fixture
def both(tmp_path):
    write_btcv_original(tmp_path / "abdomen")
    return write_btcv(tmp_path / "abdomen")


def read(root, name=None):
    return find_source(root, protocol(name) if name else None)


def test_references_cover_both_parts(both):
    found = read(both)
    assert [c.case_id for c in found.manifest.cases] == ["BTCV_0001", "BTCV_0002", "BTCV_0061"]
    case = found.manifest.cases[2]
    assert case.image == both / "RawData" / "Testing" / "img" / "img0061.nii.gz"
    assert case.label.files == (both / "label_btcv_multiorgan" / "label0061.nii.gz",)
    assert (case.patient_id, case.source) == ("BTCV_0061", "btcv")
    assert case.label.annotated == (1, 2, 3, 4, 5, 6, 7, 8)
    assert found.notes == ("label maps: the multi-organ references of Zenodo 1169361",)


def test_the_protocol_chooses_the_label_maps(both):
    found = read(both, "btcv")
    assert [c.case_id for c in found.manifest.cases] == ["BTCV_0001", "BTCV_0002"]
    case = found.manifest.cases[0]
    assert case.label.files == (both / "RawData" / "Training" / "label" / "label0001.nii.gz",)
    assert case.label.annotated == (1, 2, 3, 4, 5, 6, 7)
    assert "without duodenum" in found.notes[0]
    assert read(both, "zenodo") == read(both)


@pytest.mark.parametrize("below", [".", "..", "RawData"])
def test_raw_data_may_lie_at_another_level(both, below):
    root = both / below
    assert len(read(root.resolve(), "btcv").manifest.cases) == 2


def test_cases_outside_the_references_are_noted(both):
    write_ct(both / "RawData" / "Testing" / "img", 5, "img0071.nii.gz")
    write_label(both / "label_btcv_multiorgan", "label0080.nii.gz", "zenodo")
    assert read(both).notes[1:] == (
        "left out, without a multi-organ reference: 0071",
        "left out, with a label map and no scan: 0080",
    )


def missing_reference(root):
    (root / "label_btcv_multiorgan" / "label0002.nii.gz").unlink()


def labels_of_the_challenge(root):
    shutil.rmtree(root / "label_btcv_multiorgan")
    shutil.copytree(root / "RawData" / "Training" / "label", root / "label_btcv_multiorgan")


def case_outside_the_archive(root):
    write_label(root / "label_btcv_multiorgan", "label0011.nii.gz", "zenodo")


def scan_twice(root):
    write_ct(root / "RawData" / "Testing" / "img", 5, "img0002.nii.gz")


def scan_in_two_forms(root):
    write_ct(root / "RawData" / "Training" / "img", 5, "img0002.nii")


def raw_data_twice(root):
    write_btcv_scans(root / "copy")


def linked_scan(root):
    scan = root / "RawData" / "Training" / "img" / "img0001.nii.gz"
    scan.symlink_to(scan.rename(root.parent / "elsewhere.nii.gz"))


def stray_scan(root):
    write_ct(root / "RawData" / "Training" / "img", 5, "scan.nii.gz")


def two_data_sets(root):
    write_pancreas_ct(root, (2,))


BAD = {
    missing_reference: ("no label map among the multi-organ references", "img0002.nii.gz"),
    labels_of_the_challenge: ("no duodenum.*the challenge's own labels", "label0001.nii.gz"),
    case_outside_the_archive: ("has no case 0011", "label0011.nii.gz"),
    scan_twice: ("the same case as img0002.nii.gz in", "img0002.nii.gz"),
    scan_in_two_forms: ("the same case as img0002.nii", "img0002.nii"),
    raw_data_twice: ("the same case as Training in", "Training"),
    linked_scan: ("leads out of the data set", "img0001.nii.gz"),
    stray_scan: ("not named img####", "scan.nii.gz"),
    two_data_sets: ("holds Pancreas-CT and BTCV", "abdomen"),
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_malformed_layouts(both, spoil):
    spoil(both)
    words, where = BAD[spoil]
    with pytest.raises(UserError, match=words) as caught:
        read(both)
    assert where in caught.value.where


@pytest.mark.parametrize(
    ("name", "gone", "words"),
    [
        ("btcv", "RawData/Training/label/label0002.nii.gz", "It has no label map"),
        ("btcv", "RawData/Training/img/img0002.nii.gz", "It has no CT"),
        ("zenodo", "label_btcv_multiorgan", "references .label_btcv_multiorgan/. are not there"),
    ],
)
def test_what_is_missing_for_the_chosen_labels(both, name, gone, words):
    path = both / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=words):
        read(both, name)


def test_another_protocol_is_refused(both):
    with pytest.raises(UserError, match="'zenodo' or 'btcv', not 'word'"):
        read(both, "word")


def test_values_of_the_two_protocols_differ():
    label = abdomen(0)[1]
    assert set(as_published(label, "zenodo").flat) - set(as_published(label, "btcv").flat) == {14}
