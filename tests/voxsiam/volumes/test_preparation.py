import numpy as np
import pytest
from pydantic import ValidationError

from tests.nifti_files import ALL_AXES, phantom_ct, ras_affine, reoriented, write_scan
from voxsiam.errors import UserError
from voxsiam.volumes.nifti import read_nifti
from voxsiam.volumes.preparation import (
    PreparationConfig,
    apply_window,
    prepare_image,
    prepare_label,
    prepare_volume,
    restore_label,
)
from voxsiam.volumes.resampling import resample_linear

SMALL = PreparationConfig(grid_dhw=(16, 24, 32))
OURS = {value: value for value in range(9)}
AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))


@pytest.fixture
def pair(tmp_path):
    image, label = phantom_ct()
    return (
        write_scan(tmp_path / "image.nii.gz", image, AFFINE),
        write_scan(tmp_path / "label.nii.gz", label, AFFINE),
    )


def prepare_small(pair, label_values=OURS):
    image, label = pair
    return prepare_volume(image, label, label_values, SMALL)


def test_paper_defaults():
    assert PreparationConfig().grid_dhw == (64, 128, 128)
    assert PreparationConfig().window_hu == (-200, 250)


@pytest.mark.parametrize(
    "bad",
    [
        {"grid_dhw": (64, 128, 100)},
        {"grid_dhw": (8, 128, 128)},
        {"grid_dhw": (0, 16, 16)},
        {"grid_dhw": (-16, 16, 16)},
        {"window_hu": (250, -200)},
        {"window_hu": (1, 1)},
        {"window_hu": (float("nan"), 1)},
        {"window_hu": (0, float("inf"))},
        {"windw_hu": (0, 1)},
    ],
)
def test_config_refuses(bad):
    with pytest.raises(ValidationError):
        PreparationConfig(**bad)


def test_with_grid_is_validated():
    assert SMALL.with_grid((32, 32, 32)).grid_dhw == (32, 32, 32)
    with pytest.raises(ValidationError):
        SMALL.with_grid((33, 32, 32))


def test_window_closed_form():
    hu = np.array([-1000, -200, -199, 25, 250, 3000], dtype=np.int16).reshape(1, 2, 3)
    expected = [0, 0, 1 / 450, 0.5, 1, 1]
    np.testing.assert_allclose(apply_window(hu, SMALL).ravel(), expected, atol=1e-7)


def test_prepared_volume(pair):
    prepared = prepare_small(pair)
    assert prepared.image.dtype == np.float16
    assert prepared.label is not None
    assert prepared.label.dtype == np.uint8
    assert prepared.image.shape == prepared.label.shape == (16, 24, 32)
    assert prepared.native_shape == (16, 18, 20)
    assert prepared.native_spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    # The extent stays: 16 x 2.5 mm over 16, 18 x 0.8 mm over 24, 20 x 0.7 mm over 32.
    assert prepared.spacing_mm == pytest.approx((2.5, 0.6, 0.4375))
    assert set(np.unique(prepared.label)) == set(range(9))


def test_window_comes_before_interpolation(pair):
    scan = read_nifti(pair[0])
    scan.array[:] = np.where(np.indices(scan.array.shape).sum(0) % 2, -1000, 1000)
    order = scan.array.transpose(2, 1, 0)
    windowed_first = resample_linear(apply_window(order, SMALL), SMALL.grid_dhw)
    windowed_last = apply_window(resample_linear(order, SMALL.grid_dhw), SMALL)
    ours = prepare_image(scan, SMALL)
    np.testing.assert_array_equal(ours, windowed_first.astype(np.float16))
    assert np.abs(ours - windowed_last).max() > 0.1


def test_scan_without_label(pair):
    assert prepare_volume(pair[0], None, {}, SMALL).label is None


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_every_orientation_prepares_alike_and_goes_back(tmp_path, axes, signs):
    image, label = phantom_ct((16, 17, 18))
    expected = prepare_volume(
        write_scan(tmp_path / "i.nii", image, AFFINE),
        write_scan(tmp_path / "l.nii", label, AFFINE),
        OURS,
        SMALL,
    )
    stored_label, affine = reoriented(label, AFFINE, axes, signs)
    paths = (
        write_scan(tmp_path / "image.nii", *reoriented(image, AFFINE, axes, signs)),
        write_scan(tmp_path / "label.nii", stored_label, affine),
    )
    prepared = prepare_volume(*paths, OURS, SMALL)
    np.testing.assert_array_equal(prepared.image, expected.image)
    np.testing.assert_array_equal(prepared.label, expected.label)
    assert prepared.spacing_mm == pytest.approx(expected.spacing_mm)
    grown = prepare_label(read_nifti(paths[1]), OURS, PreparationConfig(grid_dhw=(48, 48, 48)))
    np.testing.assert_array_equal(restore_label(grown, read_nifti(paths[0])), stored_label)


def test_label_values_are_renamed(pair):
    label_values = {0: 0, 1: 5, 2: 0, **dict.fromkeys(range(3, 9), 0)}
    prepared = prepare_small(pair, label_values)
    ours = prepare_small(pair)
    assert prepared.label is not None
    np.testing.assert_array_equal(prepared.label, np.where(ours.label == 1, 5, 0))


def test_whole_numbers_stored_as_floats_are_labels(pair):
    expected = prepare_small(pair).label
    write_scan(pair[1], read_nifti(pair[1]).array.astype(np.float64), AFFINE)
    np.testing.assert_array_equal(prepare_small(pair).label, expected)


def with_voxel(value, dtype: type[np.number] = np.float64):
    def change(array):
        changed = array.astype(dtype)
        changed[3, 4, 5:7] = value
        return changed

    return change


BAD_LABELS = {
    "value 9": (with_voxel(9, np.uint8), r"values: 9 \(2 voxels\)"),
    "value 255": (with_voxel(255, np.uint8), r"255 \(2 voxels\)"),
    "value -1": (with_voxel(-1, np.int16), r"-1 \(2 voxels\)"),
    "value 2^40": (with_voxel(2**40, np.int64), r"1.09951163e\+12"),
    "not whole": (with_voxel(0.9999), r"0.9999 \(2 voxels\)"),
    "NaN": (with_voxel(np.nan), r"nan \(2 voxels\)"),
    "infinite": (with_voxel(np.inf), r"inf \(2 voxels\)"),
    "many values": (lambda a: np.arange(a.size).reshape(a.shape).astype(np.int32), "more"),
    "no organ": (np.zeros_like, "none of the eight"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_label_values(pair, name):
    change, words = BAD_LABELS[name]
    write_scan(pair[1], change(read_nifti(pair[1]).array), AFFINE)
    with pytest.raises(UserError, match=words) as caught:
        prepare_small(pair)
    assert caught.value.where == str(pair[1])


BAD_IMAGES = {
    "NaN": (with_voxel(np.nan), "2 intensities are NaN"),
    "infinite": (with_voxel(-np.inf), "2 intensities are NaN or inf"),
    "zeros": (np.zeros_like, "constant"),
    "constant outside the window": (
        lambda a: np.where(a > 0, 3000, 2000).astype(np.int16),
        "2000 to 3000",
    ),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_intensities(pair, name):
    change, words = BAD_IMAGES[name]
    write_scan(pair[0], change(read_nifti(pair[0]).array), AFFINE)
    with pytest.raises(UserError, match=words) as caught:
        prepare_small(pair)
    assert caught.value.where == str(pair[0])


def flipped_x(affine):
    changed = affine.copy()
    changed[0, 0] *= -1
    return changed


def shifted(voxels):
    def change(affine):
        changed = affine.copy()
        changed[0, 3] += 0.7 * voxels
        return changed

    return change


@pytest.mark.parametrize("change", [flipped_x, shifted(1), shifted(0.02)])
def test_label_that_lies_elsewhere(pair, change):
    write_scan(pair[1], read_nifti(pair[1]).array, change(AFFINE))
    with pytest.raises(UserError, match="affines differ") as caught:
        prepare_small(pair)
    assert caught.value.where == str(pair[1])


def test_rounding_of_the_affine_is_tolerated(pair):
    write_scan(pair[1], read_nifti(pair[1]).array, shifted(0.005)(AFFINE))
    assert prepare_small(pair).label is not None


def test_label_of_other_shape(pair):
    write_scan(pair[1], read_nifti(pair[1]).array[:-1], AFFINE)
    with pytest.raises(UserError, match=r"\(19, 18, 16\), its image \(20, 18, 16\)"):
        prepare_small(pair)


@pytest.mark.shared_data
def test_real_ct_stands_right_way_up(shared_data):
    """Liver right of spleen, spleen above left kidney, stomach in front of it."""
    folder = shared_data / "ct" / "ts_s0009"
    prepared = prepare_volume(folder / "image.nii.gz", folder / "label.nii.gz", OURS, SMALL)
    assert prepared.label is not None
    centre = {v: np.argwhere(prepared.label == v).mean(0) for v in (1, 2, 5, 6)}
    spleen, left_kidney, liver, stomach = (centre[v] for v in (1, 2, 5, 6))
    assert liver[2] > spleen[2]
    assert liver[2] > left_kidney[2]
    assert spleen[0] > left_kidney[0]
    assert stomach[1] > left_kidney[1]
