from pathlib import Path

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.volumes.intensity import apply_window, check_intensities, standardise
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.preparation_config import PreparationConfig

DEFAULT = PreparationConfig()
ZSCORE = PreparationConfig(intensity="zscore_volume")
STANDARD = PreparationConfig(intensity="standard", mean_hu=40, std_hu=90)


def some(shape=(6, 7, 8), seed=0):
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def test_window_closed_form():
    hu = np.array([-1000, -200, -199, 25, 250, 3000], dtype=np.int16).reshape(1, 2, 3)
    expected = [0, 0, 1 / 450, 0.5, 1, 1]
    np.testing.assert_allclose(apply_window(hu, DEFAULT).ravel(), expected, atol=1e-7)


def test_unit_changes_nothing():
    unit = apply_window(some(), DEFAULT)
    assert standardise(unit, DEFAULT, "ct") is unit


def test_standard_closed_form():
    hu = np.array([-1000, -200, 40, 130, 250, 900], dtype=np.int16).reshape(1, 2, 3)
    ours = standardise(apply_window(hu, STANDARD), STANDARD, "ct")
    expected = [-240 / 90, -240 / 90, 0, 1, 210 / 90, 210 / 90]
    np.testing.assert_allclose(ours.ravel(), expected, atol=1e-5)
    assert ours.dtype == np.float32


@pytest.mark.parametrize("seed", range(3))
def test_zscore_equals_the_score_of_the_clipped_hounsfield_units(seed):
    hu = some(seed=seed)
    ours = standardise(apply_window(hu, ZSCORE), ZSCORE, "ct")
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
    ours = standardise(unit, ZSCORE, "ct")
    assert ours.max() == pytest.approx(unit.size**0.5, rel=1e-3)
    assert np.isfinite(ours.astype(np.float16)).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_zscore_of_a_constant_volume_is_refused(value):
    with pytest.raises(UserError, match="constant on its grid") as caught:
        standardise(np.full((16, 16, 16), value, dtype=np.float32), ZSCORE, "ct.nii")
    assert caught.value.where == "ct.nii"


def test_what_lies_outside_the_part_may_be_constant_but_not_nan():
    array = np.full((6, 7, 8), -1000.0)
    array[2:4] = some((2, 7, 8))
    scan = Scan(Path("ct.nii"), array, np.eye(4))
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
    scan = Scan(Path("ct.nii"), array, np.eye(4))
    check_intensities(scan, array, DEFAULT)
    with pytest.raises(UserError, match="before they are windowed") as caught:
        check_intensities(scan, array, PreparationConfig(order="resample_then_window"))
    assert "window_then_resample" in caught.value.fix
