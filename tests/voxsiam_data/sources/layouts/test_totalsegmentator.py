import shutil

import numpy as np
import pytest

from tests.nifti_files import write_scan
from tests.source_miniatures import (
    AFFINE,
    abdomen,
    organs_on_scan,
    write_label,
    write_totalsegmentator,
)
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap, OrganMasks
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source


@pytest.fixture
def root(tmp_path):
    return write_totalsegmentator(tmp_path / "Totalsegmentator_dataset_v201")


def as_maps(root, version):
    for case in ("s0000", "s0001"):
        shutil.rmtree(root / case / "segmentations")
        write_label(root / case, "segmentations.nii.gz", version)
    return root


def test_one_mask_for_each_organ(root):
    found = find_source(root)
    assert [case.case_id for case in found.manifest.cases] == ["s0000", "s0001"]
    case = found.manifest.cases[1]
    assert case.image == root / "s0001" / "ct.nii.gz"
    assert isinstance(case.label, OrganMasks)
    assert case.label.paths[2] == root / "s0001" / "segmentations" / "kidney_left.nii.gz"
    assert case.label.annotated == (1, 2, 3, 4, 5, 6, 7, 8)
    label = organs_on_scan(case)
    np.testing.assert_array_equal(label, abdomen(1)[1].transpose(2, 1, 0))
    assert case.source == root.name
    assert found.notes == ()


@pytest.mark.parametrize("version", ["totalsegmentator-v1", "totalsegmentator-v2"])
def test_one_map_of_either_version(root, version):
    known = None if version.endswith("2") else protocol(version)
    case = find_source(as_maps(root, version), known).manifest.cases[0]
    assert isinstance(case.label, LabelMap)
    label = organs_on_scan(case)
    np.testing.assert_array_equal(label, abdomen(0)[1].transpose(2, 1, 0))


def test_an_organ_that_no_case_has_is_not_annotated(root):
    for case in ("s0000", "s0001"):
        (root / case / "segmentations" / "duodenum.nii.gz").unlink()
    found = find_source(root)
    assert found.manifest.cases[0].label.annotated == (1, 2, 3, 4, 5, 6, 7)
    assert found.notes == (
        "no case has a mask of these organs, they count as not annotated: duodenum",
    )


def missing_mask(root):
    (root / "s0001" / "segmentations" / "liver.nii.gz").unlink()


def no_masks(root):
    shutil.rmtree(root / "s0001" / "segmentations")


def empty_masks_folder(root):
    no_masks(root)
    (root / "s0001" / "segmentations").mkdir()


def no_image(root):
    (root / "s0001" / "ct.nii.gz").unlink()


def both_forms(root):
    write_label(root / "s0001", "segmentations.nii.gz", "totalsegmentator-v2")


def image_twice(root):
    shutil.copy(root / "s0001" / "ct.nii.gz", root / "s0001" / "ct.nii")


def mask_twice(root):
    folder = root / "s0001" / "segmentations"
    shutil.copy(folder / "liver.nii.gz", folder / "liver.nii")


def linked_mask(root):
    mask = root / "s0001" / "segmentations" / "liver.nii.gz"
    mask.symlink_to(mask.rename(root.parent / "elsewhere.nii.gz"))


BAD = {
    missing_mask: ("no mask of the liver, which other cases have", "segmentations"),
    no_masks: ("no segmentations.nii.gz and no mask", "s0001"),
    empty_masks_folder: ("no segmentations.nii.gz and no mask", "s0001"),
    no_image: ("has no ct.nii.gz", "s0001"),
    both_forms: ("masks and a label map", "segmentations.nii.gz"),
    image_twice: ("the same case as", "ct.nii"),
    mask_twice: ("mask of the same organ as liver.nii", "liver.nii"),
    linked_mask: ("leads out of the data set", "liver.nii.gz"),
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_malformed_layouts(root, spoil):
    spoil(root)
    words, where = BAD[spoil]
    with pytest.raises(UserError, match=words) as caught:
        find_source(root)
    assert where in caught.value.where


def test_another_protocol_is_refused(root):
    with pytest.raises(UserError, match="do not follow 'zenodo'"):
        find_source(root, protocol("zenodo"))


def test_empty_masks_are_organs_out_of_view(root):
    mask = root / "s0000" / "segmentations" / "gallbladder.nii.gz"
    write_scan(mask, np.zeros(abdomen(0)[1].shape, np.uint8), AFFINE)
    case = find_source(root).manifest.cases[0]
    assert 3 not in organs_on_scan(case)
    assert 3 in case.label.annotated
