import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.nifti_files import ALL_AXES, phantom_ct, ras_affine, reoriented
from voxsiam.errors import UserError
from voxsiam.types import NativeReference
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import from_canonical
from voxsiam.volumes.placement import box_of, place, placement_of, ranges_of
from voxsiam.volumes.preparation import label_on_grid
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import resample_nearest
from voxsiam.volumes.restoration import restore_classes

AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))
IMAGE, LABEL = phantom_ct()  # 20 x 18 x 16 along x y z
OURS = {value: value for value in range(9)}
BOX = PreparationConfig(grid_dhw=(16, 24, 32), crop="box")
CROP = ((1, 18), (2, 17), (3, 14))  # along x y z, as a file in RAS has it
CROP_DHW = (slice(3, 14), slice(2, 17), slice(1, 18))


@pytest.fixture
def scan(tmp_path):
    return Scan(tmp_path / "ct.nii", IMAGE, AFFINE)


def test_without_a_crop_the_grid_spans_the_scan(scan):
    placement = place(scan, PreparationConfig())
    assert placement.native_shape == (16, 18, 20)
    assert placement.native_spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    assert placement.box == (slice(0, 16), slice(0, 18), slice(0, 20))
    assert not placement.is_cropped


@pytest.mark.parametrize("crop", ["none", "body"])
def test_a_box_is_used_only_where_boxes_are_asked_for(scan, crop):
    config = PreparationConfig(crop=crop)
    assert place(scan, config, CROP) == place(scan, config)


def test_a_case_without_a_box_keeps_its_whole_scan(scan):
    assert not place(scan, BOX).is_cropped


def test_a_box_is_the_part_on_the_grid(scan):
    placement = place(scan, BOX, CROP)
    assert placement.box == CROP_DHW
    assert placement.is_cropped
    assert placement.native_shape == (16, 18, 20)
    # 11 x 2.5 mm over 16, 15 x 0.8 mm over 24, 17 x 0.7 mm over 32.
    assert placement.grid_spacing_mm((16, 24, 32)) == pytest.approx((1.71875, 0.5, 0.371875))


@pytest.mark.parametrize(
    "crop",
    [
        ((0, 21), (0, 18), (0, 16)),
        ((0, 20), (0, 18), (0, 17)),
        ((-1, 20), (0, 18), (0, 16)),
        ((5, 5), (0, 18), (0, 16)),
        ((6, 5), (0, 18), (0, 16)),
        ((20, 25), (0, 18), (0, 16)),
    ],
)
def test_a_box_outside_the_scan_is_refused(scan, crop):
    with pytest.raises(UserError, match="leaves the scan") as caught:
        place(scan, BOX, crop)
    assert caught.value.where == str(scan.path)


def test_a_box_that_touches_the_borders_is_the_whole_scan(scan):
    assert not place(scan, BOX, ((0, 20), (0, 18), (0, 16))).is_cropped


def stored_crop(axes, signs):
    """The same box along the axes of a file that lies otherwise."""
    parts = []
    for axis, sign in zip(axes, signs, strict=True):
        start, stop = CROP[axis]
        n = IMAGE.shape[axis]
        parts.append((n - stop, n - start) if sign < 0 else (start, stop))
    return tuple(parts)


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_a_label_goes_to_the_grid_and_back_in_every_orientation(tmp_path, axes, signs):
    stored, affine = reoriented(LABEL, AFFINE, axes, signs)
    scan = Scan(tmp_path, stored, affine)
    placement = place(scan, BOX, stored_crop(axes, signs))
    assert placement.box == CROP_DHW
    on_grid = label_on_grid(renamed_label(scan, OURS), BOX, placement, scan.path)
    extent = tuple(part.stop - part.start for part in placement.box)
    native = np.zeros(placement.native_shape, dtype=np.uint8)
    native[placement.box] = resample_nearest(on_grid, extent)
    expected = np.zeros_like(LABEL)
    inside = tuple(slice(*part) for part in CROP)
    expected[inside] = LABEL[inside]
    expected, _ = reoriented(expected, AFFINE, axes, signs)
    np.testing.assert_array_equal(from_canonical(native, placement.order), expected)


def test_a_kept_label_map_gives_the_same_placement_without_the_file(scan):
    placement = place(scan, BOX, CROP)
    again = placement_of(NativeReference(LABEL.T, placement.native_spacing_mm, placement.box))
    assert again.box == placement.box
    assert again.native_shape == placement.native_shape
    assert again.native_spacing_mm == placement.native_spacing_mm
    native = np.arange(LABEL.size).reshape(placement.native_shape)
    np.testing.assert_array_equal(from_canonical(native, again.order), native)


def test_scores_come_back_to_the_scan_through_the_kept_label_alone(scan):
    placement = place(scan, BOX, CROP)
    label_scan = Scan(scan.path, LABEL, AFFINE)
    on_grid = label_on_grid(renamed_label(label_scan, OURS), BOX, placement, label_scan.path)
    scores = functional.one_hot(torch.from_numpy(on_grid).long(), 9).movedim(-1, 0).float()
    reference = NativeReference(LABEL.T, placement.native_spacing_mm, placement.box)
    restored = restore_classes(scores, placement_of(reference))
    expected = np.zeros_like(reference.label)
    expected[placement.box] = reference.label[placement.box]
    # Between grid voxels the border moves by less than a voxel of the scan.
    assert (restored == expected).mean() > 0.95
    assert not restored[expected.shape[0] - 1].any()


def test_slices_and_numbers_say_the_same():
    assert box_of(ranges_of(CROP_DHW)) == CROP_DHW
