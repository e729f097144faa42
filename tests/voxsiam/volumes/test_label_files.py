from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.nifti_files import (
    ALL_AXES,
    label_map,
    phantom_ct,
    ras_affine,
    reoriented,
    write_scan,
)
from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.label_files import LabelMap, OrganMasks
from voxsiam.volumes.nifti import Scan

AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))
IMAGE, LABEL = phantom_ct()
PRESENT = tuple(int(value) for value in np.unique(LABEL) if value)


@pytest.fixture
def scan(tmp_path):
    return Scan(tmp_path / "image.nii.gz", IMAGE, AFFINE)


def write_masks(folder, organs=PRESENT, affine=AFFINE):
    paths = {}
    for organ in organs:
        mask = (organ == LABEL).astype(np.uint8)
        paths[organ] = write_scan(folder / f"{organ}.nii.gz", mask, affine)
    return OrganMasks(paths=paths)


def test_a_map_and_masks_of_the_same_organs_are_equal(tmp_path, scan):
    whole = label_map(write_scan(tmp_path / "label.nii.gz", LABEL, AFFINE))
    masks = write_masks(tmp_path)
    np.testing.assert_array_equal(whole.read_with_notes(scan)[0], LABEL.T)
    np.testing.assert_array_equal(masks.read_with_notes(scan)[0], LABEL.T)
    assert masks.annotated == PRESENT
    assert masks.files == tuple(tmp_path / f"{organ}.nii.gz" for organ in PRESENT)


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_a_map_in_another_axis_order_is_the_same_map(tmp_path, scan, axes, signs):
    stored, affine = reoriented(LABEL, AFFINE, axes, signs)
    path = write_scan(tmp_path / "label.nii.gz", stored, affine)
    np.testing.assert_array_equal(label_map(path).read_with_notes(scan)[0], LABEL.T)


def test_a_map_turned_over_without_its_affine_lies_elsewhere(tmp_path, scan):
    """Equal lengths of axes are no equal grid."""
    stored, affine = reoriented(LABEL, AFFINE, (0, 1, 2), (1, 1, -1))
    affine[2, 3] += 2.5
    path = write_scan(tmp_path / "label.nii.gz", stored, affine)
    with pytest.raises(UserError, match="1 voxels away"):
        label_map(path).read_with_notes(scan)


def test_an_organ_without_a_value_was_not_annotated(tmp_path):
    btcv = LabelMap(path=tmp_path, values={0: 0, 1: 1, 2: 0, 6: 5, 11: 7})
    assert btcv.annotated == (1, 5, 7)
    assert OrganMasks(paths={5: tmp_path, 2: tmp_path}).annotated == (2, 5)


def test_an_empty_mask_beside_others_is_an_organ_out_of_view(tmp_path, scan):
    absent = next(organ for organ in range(1, 10) if organ not in PRESENT[:3])
    write_scan(tmp_path / "empty.nii.gz", np.zeros_like(LABEL), AFFINE)
    masks = write_masks(tmp_path, PRESENT[:3])
    with_empty = OrganMasks(paths={**masks.paths, absent: tmp_path / "empty.nii.gz"})
    np.testing.assert_array_equal(
        with_empty.read_with_notes(scan)[0], masks.read_with_notes(scan)[0]
    )
    assert absent in with_empty.annotated


def test_masks_that_cannot_be_joined(tmp_path, scan):
    masks = write_masks(tmp_path)
    first, second = PRESENT[:2]
    twice = OrganMasks(paths={first: masks.paths[first], second: masks.paths[first]})
    with pytest.raises(UserError, match="belong to another organ"):
        twice.read_with_notes(scan)
    empty = write_scan(tmp_path / "empty.nii.gz", np.zeros_like(LABEL), AFFINE)
    with pytest.raises(UserError, match="All masks are empty"):
        OrganMasks(paths={first: empty}).read_with_notes(scan)
    twos = write_scan(tmp_path / "twos.nii.gz", (LABEL > 0) * np.uint8(2), AFFINE)
    with pytest.raises(UserError, match="Unknown label values: 2"):
        OrganMasks(paths={first: twos}).read_with_notes(scan)
    elsewhere = write_masks(tmp_path / "moved", affine=ras_affine((0.7, 0.8, 2.5)))
    with pytest.raises(UserError, match="away from its image"):
        elsewhere.read_with_notes(scan)


@pytest.mark.parametrize("organ", [0, 9, -1])
def test_masks_of_unknown_organs(tmp_path, organ):
    with pytest.raises(ValidationError):
        OrganMasks(paths={organ: tmp_path})


def test_no_masks():
    with pytest.raises(ValidationError):
        OrganMasks(paths={})


def test_what_decides_the_labels(tmp_path):
    one = LabelMap(path=tmp_path, values={1: 5, 0: 0})
    assert one.meaning() == LabelMap(path=tmp_path / "other", values={0: 0, 1: 5}).meaning()
    assert one.meaning() != LabelMap(path=tmp_path, values={0: 0, 1: 6}).meaning()
    masks = [OrganMasks(paths={organ: tmp_path}) for organ in (1, 2)]
    assert masks[0].meaning() != masks[1].meaning()


@pytest.mark.parametrize("form", ["map", "masks"])
def test_volumes_of_other_classes_have_other_names(form):
    def meaning(**organs):
        path = Path("a.nii.gz")
        if form == "map":
            return LabelMap(path=path, values={0: 0, 1: 1}, **organs).meaning()
        return OrganMasks(paths={1: path}, **organs).meaning()

    assert meaning() == meaning(organs=PAPER_ORGANS)
    lists = (PAPER_ORGANS, ("a", "b"), ("b", "a"))
    assert len({str(meaning(organs=names)) for names in lists}) == 3
