from math import floor

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from voxsiam.volumes.resampling import resample_linear, resample_nearest

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
    ours = resample_linear(array, new)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, slow_linear(array, new), atol=1e-6)
    theirs = interpolate(
        torch.from_numpy(array)[None, None], new, mode="trilinear", align_corners=False
    )
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-5)


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
    line = np.moveaxis(resample_linear(ramp, new), axis, 0)[:, 0, 0]
    expected = np.clip((np.arange(new[axis]) + 0.5) * step - 0.5, 0, old[axis] - 1)
    np.testing.assert_allclose(line, expected, atol=1e-5)


def test_constant_stays_constant_and_same_grid_is_the_same():
    np.testing.assert_array_equal(resample_linear(np.full((5, 6, 7), 3.0), (16, 8, 24)), 3.0)
    np.testing.assert_array_equal(resample_linear(some((5, 6, 7)), (5, 6, 7)), some((5, 6, 7)))


def test_shrinking_by_two_averages_pairs():
    pairs = np.arange(8.0).reshape(8, 1, 1).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(resample_linear(pairs, (4, 2, 2))[:, 0, 0], [0.5, 2.5, 4.5, 6.5])


def test_nearest_there_and_back_is_exact_when_growing():
    array = np.random.default_rng(1).integers(0, 9, (5, 7, 6), dtype=np.uint8)
    grown = resample_nearest(array, (16, 24, 32))
    np.testing.assert_array_equal(resample_nearest(grown, (5, 7, 6)), array)


def test_input_is_left_alone():
    array = some((4, 4, 4))
    before = array.copy()
    result = resample_linear(array, (4, 4, 4))
    result += 1
    np.testing.assert_array_equal(array, before)
