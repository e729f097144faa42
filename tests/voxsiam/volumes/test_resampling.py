from math import floor

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn.functional import interpolate

from voxsiam.volumes.resampling import low_pass, resample, resample_nearest

SHAPES = [
    ((4, 5, 6), (8, 3, 6)),
    ((7, 2, 9), (3, 8, 16)),
    ((5, 5, 5), (5, 5, 5)),
    ((2, 3, 11), (16, 16, 4)),
]


def slow_linear(array, shape):
    result = np.zeros(shape)
    for target in np.ndindex(*shape):
        value = 0.0
        places = []
        for i, n_in, n_out in zip(target, array.shape, shape, strict=True):
            x = min(max((i + 0.5) * n_in / n_out - 0.5, 0), n_in - 1)
            low = min(floor(x), n_in - 2)
            places.append(((low, 1 - (x - low)), (low + 1, x - low)))
        for d, weight_d in places[0]:
            for h, weight_h in places[1]:
                for w, weight_w in places[2]:
                    value += weight_d * weight_h * weight_w * array[d, h, w]
        result[target] = value
    return result


def slow_cubic(array, shape):
    """The spline through all old voxels, evaluated by SciPy at positions written out here."""
    positions = [
        np.clip([(i + 0.5) * n_in / n_out - 0.5 for i in range(n_out)], 0, n_in - 1)
        for n_in, n_out in zip(array.shape, shape, strict=True)
    ]
    coordinates = np.meshgrid(*positions, indexing="ij")
    return map_coordinates(array.astype(np.float64), coordinates, order=3, mode="mirror")


def slow_low_pass(line, n_out):
    """A Gaussian cut at 4 sigma, over a line mirrored at its first and last voxel."""
    n = len(line)
    sigma = max((n / n_out - 1) / 2, 0)
    if sigma == 0:
        return line
    reach = int(4 * sigma + 0.5)
    weights = [np.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)]
    result = []
    for i in range(n):
        total = 0.0
        for k, weight in zip(range(-reach, reach + 1), weights, strict=True):
            place = (i + k) % (2 * n - 2)
            total += weight * line[min(place, 2 * n - 2 - place)]
        result.append(total / sum(weights))
    return np.array(result)


def slow_nearest(array, shape):
    result = np.zeros(shape, array.dtype)
    for target in np.ndindex(*shape):
        place = []
        for i, n_in, n_out in zip(target, array.shape, shape, strict=True):
            inside = [
                j for j in range(n_in) if j * 2 * n_out <= (2 * i + 1) * n_in < (j + 1) * 2 * n_out
            ]
            place.append(inside[0])
        result[target] = array[tuple(place)]
    return result


def some(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_linear_equals_the_slow_copy_and_torch(old, new):
    array = some(old)
    ours = resample(array, new)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, slow_linear(array, new), atol=1e-6)
    theirs = interpolate(
        torch.from_numpy(array)[None, None], new, mode="trilinear", align_corners=False
    )
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_cubic_equals_the_spline_at_the_same_positions(old, new):
    array = some(old)
    ours = resample(array, new, "cubic")
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, slow_cubic(array, new), atol=2e-6)


def test_cubic_of_whole_numbers_keeps_its_fractions():
    array = np.random.default_rng(2).integers(-1000, 1000, (9, 7, 8)).astype(np.int16)
    np.testing.assert_allclose(
        resample(array, (16, 6, 24), "cubic"), slow_cubic(array, (16, 6, 24)), atol=2e-3
    )


def test_cubic_is_exact_for_parabolas_away_from_the_border_where_linear_is_not():
    line = np.arange(40.0) ** 2 / 100
    array = np.broadcast_to(line.reshape(-1, 1, 1), (40, 2, 2))
    places = (np.arange(64) + 0.5) * 40 / 64 - 0.5
    inside = slice(16, 48)
    cubic = resample(array, (64, 2, 2), "cubic")[:, 0, 0] - places**2 / 100
    linear = resample(array, (64, 2, 2))[:, 0, 0] - places**2 / 100
    assert np.abs(cubic[inside]).max() < 1e-5
    assert np.abs(linear[inside]).max() > 1e-3


def test_cubic_overshoots_at_an_edge():
    edge = np.repeat([0.0, 1.0], 5).reshape(-1, 1, 1).repeat(2, 1).repeat(2, 2)
    ours = resample(edge, (32, 2, 2), "cubic")
    assert ours.min() < -0.01
    assert ours.max() > 1.01


@pytest.mark.parametrize("n_out", [3, 5, 9, 10, 11, 30])
@pytest.mark.parametrize("axis", range(3))
def test_low_pass_equals_the_slow_copy(axis, n_out):
    array = np.moveaxis(some((10, 3, 4)), 0, axis)
    expected = np.apply_along_axis(slow_low_pass, axis, array, n_out)
    np.testing.assert_allclose(low_pass(array, axis, n_out), expected, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_anti_alias_blurs_before_each_axis_that_shrinks(interpolation):
    array, shape = some((20, 12, 9)), (8, 16, 4)
    blurred = low_pass(low_pass(array, 0, 8), 2, 4)
    # Blurring one axis and interpolating another commute.
    np.testing.assert_allclose(
        resample(array, shape, interpolation, anti_alias=True),
        resample(blurred, shape, interpolation),
        atol=1e-5,
    )


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_anti_alias_removes_stripes_that_would_alias(interpolation):
    stripes = np.broadcast_to(np.arange(64) % 2, (4, 4, 64)).astype(np.float32)
    aliased = resample(stripes, (4, 4, 24), interpolation)
    smooth = resample(stripes, (4, 4, 24), interpolation, anti_alias=True)
    np.testing.assert_allclose(smooth[..., 2:-2], 0.5, atol=0.05)
    assert np.abs(aliased[..., 2:-2] - 0.5).max() > 0.2


@pytest.mark.parametrize("anti_alias", [False, True])
@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_every_form_keeps_constants_the_same_grid_and_its_input(interpolation, anti_alias):
    constant = resample(np.full((5, 30, 7), 3.0), (16, 8, 24), interpolation, anti_alias=anti_alias)
    np.testing.assert_allclose(constant, 3.0, rtol=1e-6)
    array = some((5, 6, 7))
    before = array.copy()
    same = resample(array, (5, 6, 7), interpolation, anti_alias=anti_alias)
    np.testing.assert_array_equal(same, before)
    same += 1
    np.testing.assert_array_equal(array, before)


def test_cubic_of_a_single_voxel_is_constant():
    array = np.full((1, 1, 1), 7.0)
    np.testing.assert_array_equal(resample(array, (4, 3, 2), "cubic"), np.full((4, 3, 2), 7.0))


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_a_mirrored_volume_gives_the_mirrored_result(interpolation):
    array, shape = some((9, 20, 6)), (16, 8, 8)
    mirrored = resample(array[::-1, ::-1, ::-1], shape, interpolation, anti_alias=True)
    ours = resample(array, shape, interpolation, anti_alias=True)
    np.testing.assert_allclose(mirrored[::-1, ::-1, ::-1], ours, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_nearest_equals_the_slow_copy_and_torch(old, new):
    array = some(old)
    ours = resample_nearest(array, new)
    np.testing.assert_array_equal(ours, slow_nearest(array, new))
    theirs = interpolate(torch.from_numpy(array)[None, None], new, mode="nearest-exact")
    np.testing.assert_array_equal(ours, theirs[0, 0].numpy())


@pytest.mark.parametrize("axis", range(3))
def test_ramp_stays_a_ramp_away_from_the_border(axis):
    old, new = (10, 12, 14), (24, 32, 16)
    ramp = np.broadcast_to(
        np.arange(old[axis], dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)]),
        old,
    )
    step = old[axis] / new[axis]
    line = np.moveaxis(resample(ramp, new), axis, 0)[:, 0, 0]
    expected = np.clip((np.arange(new[axis]) + 0.5) * step - 0.5, 0, old[axis] - 1)
    np.testing.assert_allclose(line, expected, atol=1e-5)


def test_constant_stays_constant_and_same_grid_is_the_same():
    np.testing.assert_array_equal(resample(np.full((5, 6, 7), 3.0), (16, 8, 24)), 3.0)
    np.testing.assert_array_equal(resample(some((5, 6, 7)), (5, 6, 7)), some((5, 6, 7)))


def test_shrinking_by_two_averages_pairs():
    pairs = np.arange(8.0).reshape(8, 1, 1).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(resample(pairs, (4, 2, 2))[:, 0, 0], [0.5, 2.5, 4.5, 6.5])


def test_nearest_there_and_back_is_exact_when_growing():
    array = np.random.default_rng(1).integers(0, 9, (5, 7, 6), dtype=np.uint8)
    grown = resample_nearest(array, (16, 24, 32))
    np.testing.assert_array_equal(resample_nearest(grown, (5, 7, 6)), array)


def test_input_is_left_alone():
    array = some((4, 4, 4))
    before = array.copy()
    result = resample(array, (4, 4, 4))
    result += 1
    np.testing.assert_array_equal(array, before)
