import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, ras_affine, reoriented
from voxsiam.volumes.orientation import (
    axis_order,
    from_canonical,
    ranges_dhw,
    spacing_dhw,
    to_canonical,
)

XYZ = np.arange(3 * 4 * 5).reshape(3, 4, 5)
AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))


def test_there_are_48():
    assert len(set(ALL_AXES)) == 48


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_every_orientation_gives_the_same_array_and_goes_back(axes, signs):
    stored, affine = reoriented(XYZ, AFFINE, axes, signs)
    order = axis_order(affine)
    canonical = to_canonical(stored, order)
    np.testing.assert_array_equal(canonical, XYZ.transpose(2, 1, 0))
    np.testing.assert_array_equal(from_canonical(canonical, order), stored)
    assert spacing_dhw(affine, order) == pytest.approx((2.5, 0.8, 0.7))
    assert canonical.shape == (5, 4, 3)


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_voxel_ranges_of_the_file_cut_the_same_part(axes, signs):
    stored, affine = reoriented(XYZ, AFFINE, axes, signs)
    order = axis_order(affine)
    i, j, k = stored.shape
    ranges = ((1, i), (0, j - 2), (1, k - 1))
    cut = stored[1:, : j - 2, 1 : k - 1]
    there = tuple(slice(*part) for part in ranges_dhw(ranges, stored.shape, order))
    np.testing.assert_array_equal(to_canonical(stored, order)[there], to_canonical(cut, order))


def test_first_voxel_lies_inferior_posterior_left():
    """Anchors the names to millimetres: the other tests only compare arrays with arrays."""
    stored, affine = reoriented(XYZ, AFFINE, (1, 2, 0), (-1, 1, -1))
    index = np.argwhere(stored == to_canonical(stored, axis_order(affine))[0, 0, 0])[0]
    right, anterior, superior = (affine @ [*index, 1])[:3]
    # NIfTI: x grows to the patient's right hand side in RAS+, y to the front, z to the head.
    assert (right, anterior, superior) == pytest.approx((-10, 20, 30))


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES[::5])
def test_oblique_scan_goes_to_the_nearest_axes(axes, signs):
    angle = np.radians(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    _, straight = reoriented(XYZ, AFFINE, axes, signs)
    assert axis_order(turn @ straight) == axis_order(straight)
