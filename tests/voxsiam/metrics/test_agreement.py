import numpy as np
import pytest
import torch
from monai.metrics.meandice import compute_dice
from scipy.ndimage import find_objects

from tests.voxsiam.metrics.definitions import literal_dice
from tests.voxsiam.metrics.masks import random_mask_pairs
from voxsiam.metrics.agreement import dice, organ_boxes
from voxsiam.types import PAPER_ORGANS


def test_equals_counting_the_voxels_of_both_sets():
    for prediction, reference, _ in random_mask_pairs(500):
        literal = literal_dice(prediction, reference)
        assert dice(prediction, reference) == pytest.approx(literal, abs=1e-12)


def test_equals_monai():
    for prediction, reference, _ in random_mask_pairs(500):
        ours, theirs = (torch.from_numpy(mask)[None, None] for mask in (prediction, reference))
        # MONAI answers in float32.
        expected = compute_dice(ours, theirs).item()
        assert dice(prediction, reference) == pytest.approx(expected, abs=6e-8)


def test_closed_forms():
    block = np.zeros((4, 4, 4), bool)
    block[:2] = True
    half = np.zeros_like(block)
    half[:1] = True
    assert dice(block, block) == 1.0
    assert dice(block, ~block) == 0.0
    assert dice(block, half) == pytest.approx(2 * 16 / 48)


def test_empty_masks():
    empty, full = np.zeros((2, 2, 2), bool), np.ones((2, 2, 2), bool)
    assert dice(empty, full) == 0.0
    assert dice(full, empty) == 0.0
    assert np.isnan(dice(empty, empty))


@pytest.mark.parametrize("seed", range(12))
def test_equal_scipy_on_the_union(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 12, 3))
    # Few voxels, so that some organs are absent and boxes are small.
    maps = [rng.integers(0, 9, shape) * (rng.random(shape) < 0.03) for _ in range(2)]
    prediction, reference = (one.astype(np.uint8) for one in maps)
    found = organ_boxes(prediction, reference, 8)
    for value in range(1, len(PAPER_ORGANS) + 1):
        union = ((prediction == value) | (reference == value)).astype(int)
        assert found.get(value) == (find_objects(union) or [None])[0]


def test_nothing_has_no_box():
    empty = np.zeros((3, 4, 5), np.uint8)
    assert organ_boxes(empty, empty, 8) == {}
