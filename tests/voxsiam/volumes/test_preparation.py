from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, label_map, phantom_ct, ras_affine, reoriented, write_scan
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan, read_nifti
from voxsiam.volumes.placement import place
from voxsiam.volumes.preparation import (
    apply_window,
    check_intensities,
    label_on_grid,
    prepare_image,
    prepare_volume,
    standardise,
)
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import low_pass, resample, resample_nearest

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
    return prepare_volume(image, LabelMap(path=label, values=label_values), SMALL)


def test_prepared_volume(pair):
    prepared = prepare_small(pair)
    assert prepared.image.dtype == np.float16
    assert prepared.label is not None
    assert prepared.label.dtype == np.uint8
    assert prepared.image.shape == prepared.label.shape == (16, 24, 32)
    assert prepared.native_label is not None
    np.testing.assert_array_equal(prepared.native_label, phantom_ct()[1].T)
    assert prepared.placement.native_shape == (16, 18, 20)
    assert prepared.placement.native_spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    # The extent stays: 16 x 2.5 mm over 16, 18 x 0.8 mm over 24, 20 x 0.7 mm over 32.
    assert prepared.spacing_mm == pytest.approx((2.5, 0.6, 0.4375))
    assert set(np.unique(prepared.label)) == set(range(9))


def test_default_is_clip_scale_then_trilinear(pair):
    """Written out: the arrays of version 1, whose cases other people may have trained on."""
    scan = read_nifti(pair[0])
    windowed = (np.clip(scan.array.T, -200, 250).astype(np.float32) + 200) / 450
    expected = resample(windowed, SMALL.grid_dhw).astype(np.float16)
    np.testing.assert_array_equal(prepare_small(pair).image, expected)


def metal_and_air(scan):
    """Where clipping and interpolating differ most, with edges at which splines overshoot."""
    scan.array[:] = np.random.default_rng(0).choice((-1000, 1000), scan.array.shape)
    return scan


def with_options(**options):
    return PreparationConfig.model_validate({"grid_dhw": SMALL.grid_dhw, **options})


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_order_of_windowing_and_resampling(pair, interpolation):
    scan = metal_and_air(read_nifti(pair[0]))
    placement = place(scan, SMALL)
    before = with_options(interpolation=interpolation)
    after = with_options(interpolation=interpolation, order="resample_then_window")
    canonical = scan.array.T
    # Splines overshoot the window; what lies outside is cut off again.
    windowed = resample(apply_window(canonical, before), before.grid_dhw, interpolation)
    windowed_first = np.clip(windowed, 0, 1)
    windowed_last = apply_window(resample(canonical, after.grid_dhw, interpolation), after)
    first, last = (prepare_image(scan, config, placement) for config in (before, after))
    np.testing.assert_array_equal(first, windowed_first.astype(np.float16))
    np.testing.assert_array_equal(last, windowed_last.astype(np.float16))
    assert np.abs(first - last).max() > 0.1
    assert first.min() >= 0
    assert first.max() <= 1


def test_anti_alias_goes_before_resampling_in_both_orders(tmp_path):
    image, _ = phantom_ct((40, 48, 64))
    scan = metal_and_air(read_nifti(write_scan(tmp_path / "image.nii", image)))
    before = with_options(anti_alias=True)
    after = with_options(anti_alias=True, order="resample_then_window")
    canonical, grid = scan.array.T, SMALL.grid_dhw
    unit, hu = apply_window(canonical, before), canonical
    for axis, n in enumerate(grid):
        unit, hu = low_pass(unit, axis, n), low_pass(hu, axis, n)
    first, last = (prepare_image(scan, c, place(scan, c)) for c in (before, after))
    np.testing.assert_allclose(first, resample(unit, grid), atol=1e-3)
    np.testing.assert_allclose(last, apply_window(resample(hu, grid), after), atol=1e-3)
    assert first.std() < prepare_image(scan, SMALL, place(scan, SMALL)).std() * 0.7


@pytest.mark.parametrize("order", ["window_then_resample", "resample_then_window"])
def test_scores_are_taken_on_the_grid(pair, order):
    scan = read_nifti(pair[0])
    placement = place(scan, SMALL)
    unit, zscore, standard = (
        prepare_image(scan, with_options(order=order, **fields), placement).astype(np.float64)
        for fields in (
            {},
            {"intensity": "zscore_volume"},
            {"intensity": "standard", "mean_hu": 40, "std_hu": 90},
        )
    )
    assert zscore.mean() == pytest.approx(0, abs=1e-4)
    assert zscore.std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(standard, (unit * 450 - 200 - 40) / 90, atol=5e-3)
    np.testing.assert_allclose(zscore, (unit - unit.mean()) / unit.std(), atol=5e-3)


def test_a_box_prepares_like_a_scan_that_was_cut(tmp_path, pair):
    crop = ((1, 18), (2, 17), (3, 14))
    inside = tuple(slice(*part) for part in crop)
    config = with_options(crop="box")
    ours = prepare_volume(pair[0], label_map(pair[1]), config, crop)
    cut = [
        write_scan(tmp_path / f"cut-{path.name}", read_nifti(path).array[inside], AFFINE)
        for path in pair
    ]
    expected = prepare_volume(cut[0], label_map(cut[1]), SMALL)
    np.testing.assert_array_equal(ours.image, expected.image)
    np.testing.assert_array_equal(ours.label, expected.label)
    assert ours.spacing_mm == pytest.approx(expected.spacing_mm)
    # The way back needs the whole scan.
    assert ours.native_label is not None
    np.testing.assert_array_equal(ours.native_label, phantom_ct()[1].T)
    assert ours.placement.native_shape == (16, 18, 20)
    assert ours.placement.is_cropped


def test_a_box_beside_the_organs_is_refused(pair):
    with pytest.raises(UserError, match="None of the organs lies") as caught:
        prepare_volume(
            pair[0], label_map(pair[1]), with_options(crop="box"), ((0, 20), (0, 18), (13, 16))
        )
    assert caught.value.where == str(pair[1])


def test_scan_without_label(pair):
    prepared = prepare_volume(pair[0], None, SMALL)
    assert prepared.label is None
    assert prepared.native_label is None


EVERY_OPTION = [
    with_options(
        order=order, interpolation=interpolation, anti_alias=anti_alias, crop=crop, **intensity
    )
    for order, interpolation, anti_alias, crop, intensity in product(
        ("window_then_resample", "resample_then_window"),
        ("linear", "cubic"),
        (False, True),
        ("none", "body", "box"),
        (
            {"intensity": "unit"},
            {"intensity": "zscore_volume"},
            {"intensity": "standard", "mean_hu": 40, "std_hu": 90},
        ),
    )
]


def padded_phantom():
    """A body in air, so that there is something to crop."""
    image, label = phantom_ct((32, 20, 18))
    around = np.full((50, 44, 24), -1000, dtype=np.int16)
    around[12:44, 10:30, 3:21] = image
    labels = np.zeros(around.shape, dtype=np.uint8)
    labels[12:44, 10:30, 3:21] = label
    return around, labels


@pytest.fixture(scope="module")
def in_every_orientation(tmp_path_factory):
    """The same case in the 48 ways, with the same box in each file's axes."""
    folder = tmp_path_factory.mktemp("axes")
    image, label = padded_phantom()
    crop = ((12, 40), (9, 32), (2, 20))
    cases = []
    for number, (axes, signs) in enumerate(ALL_AXES):
        paths = []
        for name, array in (("image", image), ("label", label)):
            stored, affine = reoriented(array, AFFINE, axes, signs)
            paths.append(write_scan(folder / f"{number}-{name}.nii", stored, affine))
        box = tuple(
            crop[a] if sign > 0 else (image.shape[a] - crop[a][1], image.shape[a] - crop[a][0])
            for a, sign in zip(axes, signs, strict=True)
        )
        cases.append((*paths, box))
    return cases


@pytest.mark.parametrize(
    "config", EVERY_OPTION, ids=lambda c: "-".join(map(str, c.changed_fields().values()))
)
def test_some_orientations_prepare_alike_with_every_option(in_every_orientation, config):
    """All 48 are compared at the defaults; here each option meets eight that differ in all ways."""
    require_alike(in_every_orientation[::6], config)


MOST_OPTIONS = PreparationConfig(
    grid_dhw=(16, 24, 32),
    order="resample_then_window",
    interpolation="cubic",
    anti_alias=True,
    intensity="zscore_volume",
    crop="box",
)


@pytest.mark.parametrize(
    "config", [SMALL, MOST_OPTIONS, MOST_OPTIONS.model_copy(update={"crop": "body"})]
)
def test_all_48_orientations_prepare_alike(in_every_orientation, config):
    require_alike(in_every_orientation, config)


def require_alike(cases, config):
    expected = None
    for image, label, box in cases:
        prepared = prepare_volume(image, label_map(label), config, box)
        expected = expected or prepared
        np.testing.assert_array_equal(prepared.image, expected.image)
        np.testing.assert_array_equal(prepared.label, expected.label)
        np.testing.assert_array_equal(prepared.native_label, expected.native_label)
        assert prepared.placement.box == expected.placement.box
        assert prepared.spacing_mm == pytest.approx(expected.spacing_mm)
    assert expected is not None
    assert expected.placement.is_cropped == (config.crop != "none")


@pytest.mark.parametrize("config", EVERY_OPTION[::5])
def test_image_and_label_lie_on_the_same_grid(tmp_path, config):
    """Bone painted where the label is: their centres must agree on the grid."""
    label = np.zeros((40, 44, 36), dtype=np.uint8)
    label[14:30, 8:24, 10:26] = 5
    image = np.where(label == 5, 200, -150).astype(np.int16)
    paths = (
        write_scan(tmp_path / "image.nii", image),
        write_scan(tmp_path / "label.nii", label),
    )
    prepared = prepare_volume(paths[0], label_map(paths[1]), config, ((4, 38), (2, 40), (5, 36)))
    bright = prepared.image > (float(prepared.image.max()) + float(prepared.image.min())) / 2
    assert prepared.label is not None
    for axis in range(3):
        centres = (np.argwhere(mask).mean(0)[axis] for mask in (bright, prepared.label == 5))
        assert abs(next(centres) - next(centres)) < 0.51


def test_prepared_label_is_the_native_one_at_the_nearest_voxel(pair):
    scan = read_nifti(pair[1])
    ours = label_on_grid(renamed_label(scan, OURS), SMALL, place(scan, SMALL), scan.path)
    np.testing.assert_array_equal(ours, resample_nearest(scan.array.T, SMALL.grid_dhw))


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
    "no organ": (np.zeros_like, "none of the organs"),
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
    prepared = prepare_volume(folder / "image.nii.gz", label_map(folder / "label.nii.gz"), SMALL)
    assert prepared.label is not None
    centre = {v: np.argwhere(prepared.label == v).mean(0) for v in (1, 2, 5, 6)}
    spleen, left_kidney, liver, stomach = (centre[v] for v in (1, 2, 5, 6))
    assert liver[2] > spleen[2]
    assert liver[2] > left_kidney[2]
    assert spleen[0] > left_kidney[0]
    assert stomach[1] > left_kidney[1]


DEFAULT = PreparationConfig()
ZSCORE = PreparationConfig(intensity="zscore_volume")
CT = Path("ct.nii")
STANDARD = PreparationConfig(intensity="standard", mean_hu=40, std_hu=90)


def some(shape=(6, 7, 8), seed=0):
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def test_window_closed_form():
    hu = np.array([-1000, -200, -199, 25, 250, 3000], dtype=np.int16).reshape(1, 2, 3)
    expected = [0, 0, 1 / 450, 0.5, 1, 1]
    np.testing.assert_allclose(apply_window(hu, DEFAULT).ravel(), expected, atol=1e-7)


def test_unit_changes_nothing():
    unit = apply_window(some(), DEFAULT)
    assert standardise(unit, DEFAULT, CT) is unit


def test_standard_closed_form():
    hu = np.array([-1000, -200, 40, 130, 250, 900], dtype=np.int16).reshape(1, 2, 3)
    ours = standardise(apply_window(hu, STANDARD), STANDARD, CT)
    expected = [-240 / 90, -240 / 90, 0, 1, 210 / 90, 210 / 90]
    np.testing.assert_allclose(ours.ravel(), expected, atol=1e-5)
    assert ours.dtype == np.float32


@pytest.mark.parametrize("seed", range(3))
def test_zscore_equals_the_score_of_the_clipped_hounsfield_units(seed):
    hu = some(seed=seed)
    ours = standardise(apply_window(hu, ZSCORE), ZSCORE, CT)
    clipped = [min(max(float(x), -200.0), 250.0) for x in hu.ravel()]
    mean = sum(clipped) / len(clipped)
    deviation = (sum((x - mean) ** 2 for x in clipped) / len(clipped)) ** 0.5
    np.testing.assert_allclose(ours.ravel(), [(x - mean) / deviation for x in clipped], atol=1e-5)
    assert abs(ours.mean(dtype=np.float64)) < 1e-6
    assert abs(ours.std(dtype=np.float64) - 1) < 1e-6
    assert ours.dtype == np.float32


def test_zscore_of_one_bright_voxel_fits_float16():
    unit = np.zeros((64, 128, 128), dtype=np.float32)
    unit[3, 4, 5] = 1
    ours = standardise(unit, ZSCORE, CT)
    assert ours.max() == pytest.approx(unit.size**0.5, rel=1e-3)
    assert np.isfinite(ours.astype(np.float16)).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_zscore_of_a_constant_volume_is_refused(value):
    with pytest.raises(UserError, match="constant on its grid") as caught:
        standardise(np.full((16, 16, 16), value, dtype=np.float32), ZSCORE, CT)
    assert caught.value.where == str(CT)


def test_what_lies_outside_the_part_may_be_constant_but_not_nan():
    array = np.full((6, 7, 8), -1000.0)
    array[2:4] = some((2, 7, 8))
    scan = Scan(CT, array, np.eye(4))
    check_intensities(scan, array[1:5], DEFAULT)
    with pytest.raises(UserError, match="-1000 to -1000"):
        check_intensities(scan, array[4:], DEFAULT)
    array[5, 0, 0] = np.nan
    with pytest.raises(UserError, match="1 intensities are NaN"):
        check_intensities(scan, array[1:5], DEFAULT)


@pytest.mark.parametrize("value", [-3.4e38, 1e7])
def test_padding_that_is_no_hounsfield_unit_cannot_be_interpolated(value):
    array = some().astype(np.float64)
    array[0] = value
    scan = Scan(CT, array, np.eye(4))
    check_intensities(scan, array, DEFAULT)
    with pytest.raises(UserError, match="before they are windowed") as caught:
        check_intensities(scan, array, PreparationConfig(order="resample_then_window"))
    assert "window_then_resample" in caught.value.fix
