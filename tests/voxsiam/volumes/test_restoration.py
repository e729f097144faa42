from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

from voxsiam.volumes import restoration
from voxsiam.volumes.orientation import AxisOrder
from voxsiam.volumes.placement import Placement, whole_box
from voxsiam.volumes.restoration import restore_classes, restore_probabilities

UNCHANGED = AxisOrder((0, 1, 2), (False, False, False))
CASES = {
    "grown": ((4, 5, 6), (9, 11, 13)),
    "shrunk": ((9, 8, 7), (4, 5, 3)),
    "mixed": ((5, 8, 6), (9, 3, 6)),
    "one slice each way": ((1, 6, 1), (5, 1, 4)),
    "same": ((4, 5, 6), (4, 5, 6)),
}


def placed(shape, box=None):
    return Placement(UNCHANGED, shape, (3.0, 0.8, 0.7), box or whole_box(shape))


def random_scores(grid, classes=4, seed=0, smooth=False):
    generator = torch.Generator().manual_seed(seed)
    raw = torch.rand(classes, *grid, generator=generator)
    if smooth:
        small = torch.rand(1, classes, 3, 3, 3, generator=generator)
        raw = functional.interpolate(small, size=grid, mode="trilinear")[0] * 9
    return raw.softmax(0)


def interpolated(scores, shape):
    """Trilinear interpolation, voxel by voxel and corner by corner."""
    values = scores.double().numpy()
    grid = values.shape[1:]
    result = np.zeros((len(values), *shape))
    for index in np.ndindex(*shape):
        place = [
            min(max((i + 0.5) * n_in / n_out - 0.5, 0), n_in - 1)
            for i, n_in, n_out in zip(index, grid, shape, strict=True)
        ]
        for corner in product((0, 1), repeat=3):
            low = [int(p) for p in place]
            weight = np.prod(
                [
                    p - lo if up else 1 - (p - lo)
                    for p, lo, up in zip(place, low, corner, strict=True)
                ]
            )
            at = [min(lo + up, n - 1) for lo, up, n in zip(low, corner, grid, strict=True)]
            result[(slice(None), *index)] += weight * values[(slice(None), *at)]
    return result


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_literal_copy(name, smooth):
    grid, shape = CASES[name]
    scores = random_scores(grid, smooth=smooth)
    expected = interpolated(scores, shape).argmax(0)
    np.testing.assert_array_equal(restore_classes(scores, placed(shape)), expected)


@pytest.mark.parametrize("limit", [0.0, 0.3, 1.0])
def test_both_ways_of_computing_a_slice_agree(monkeypatch, limit):
    """One by one where few voxels are undecided, all of the slice where many are."""
    monkeypatch.setattr(restoration, "_MAX_GATHERED", limit)
    for smooth in (True, False):
        scores, shape = random_scores((8, 9, 10), smooth=smooth), (17, 21, 23)
        whole = functional.interpolate(scores[None], size=shape, mode="trilinear")[0]
        found = restore_classes(scores, placed(shape))
        np.testing.assert_array_equal(found, whole.argmax(0).numpy())


def test_outside_the_box_all_is_background():
    scores, shape = random_scores((4, 5, 6)), (12, 13, 14)
    box = (slice(2, 9), slice(0, 11), slice(5, 14))
    found = restore_classes(scores, placed(shape, box))
    np.testing.assert_array_equal(found[box], restore_classes(scores, placed((7, 11, 9))))
    outside = np.ones(shape, dtype=bool)
    outside[box] = False
    assert not found[outside].any()


def test_the_border_runs_where_the_scores_balance():
    """Along w: organ 1 has 1.0 in the first grid voxel and 0.2 in the second."""
    first = torch.tensor([1.0, 0.2]).expand(1, 1, 2)
    scores = torch.stack([1 - first, first])
    # Grid centres lie at 2.5 and 7.5 of 10 voxels; both have 0.5 at 5/8 of the way: 5.625.
    found = restore_classes(scores, placed((1, 1, 10)))
    np.testing.assert_array_equal(found[0, 0], [1] * 6 + [0] * 4)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_of_equal_scores_the_first_class_wins(monkeypatch, limit):
    monkeypatch.setattr(restoration, "_MAX_GATHERED", limit)
    first = torch.rand(6, 5, 8, generator=torch.Generator().manual_seed(0))
    half = torch.full_like(first, 0.5)
    found = restore_classes(torch.stack([first, half, half]), placed((13, 9, 17)))
    assert set(np.unique(found)) == {0, 1}
    assert not restore_classes(torch.full((3, 4, 4, 4), 1 / 3), placed((6, 7, 8))).any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_scores_give_mirrored_classes(axis):
    scores, shape = random_scores((6, 5, 8), seed=3), (13, 9, 17)
    mirrored = restore_classes(scores.flip(axis + 1), placed(shape))
    np.testing.assert_array_equal(np.flip(mirrored, axis), restore_classes(scores, placed(shape)))


def test_the_names_of_the_classes_do_not_matter():
    scores, shape = random_scores((6, 5, 8), classes=9), (13, 9, 17)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    shuffled = restore_classes(scores[order], placed(shape))
    np.testing.assert_array_equal(order.numpy()[shuffled], restore_classes(scores, placed(shape)))


def test_scores_from_inference_mode_are_taken():
    with torch.inference_mode():
        scores = random_scores((4, 5, 6)) * 1.0
    restore_classes(scores, placed((9, 9, 9)))
    assert len(list(restore_probabilities(scores, placed((9, 9, 9))))) == 4


@pytest.mark.parametrize("name", CASES)
def test_probabilities_are_the_interpolated_ones(name):
    grid, shape = CASES[name]
    scores = random_scores(grid)
    found = np.stack(list(restore_probabilities(scores, placed(shape)))) / 65535
    np.testing.assert_allclose(found, interpolated(scores, shape), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.sum(0), 1, rtol=0, atol=4e-5)


def test_probabilities_outside_the_box_are_background():
    shape, box = (12, 13, 14), (slice(2, 9), slice(0, 11), slice(5, 14))
    parts = list(restore_probabilities(random_scores((4, 5, 6)), placed(shape, box)))
    assert all(part.dtype == np.uint16 for part in parts)
    assert [part[0, 0, 0] for part in parts] == [65535, 0, 0, 0]
    assert [part[5, 12, 9] for part in parts] == [65535, 0, 0, 0]
    assert np.stack(parts)[(slice(None), *box)].std() > 0


def test_the_most_probable_class_is_the_label():
    scores, shape = random_scores((6, 5, 8)), (13, 9, 17)
    parts = np.stack(list(restore_probabilities(scores, placed(shape))))
    ordered = np.sort(parts, axis=0)
    clear = ordered[-1].astype(int) - ordered[-2] > 1
    labels = restore_classes(scores, placed(shape))
    np.testing.assert_array_equal(parts.argmax(0)[clear], labels[clear])
    assert clear.mean() > 0.99
