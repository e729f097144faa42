import numpy as np
import pytest
import torch
from monai.metrics.meandice import compute_dice

from tests.voxsiam.metrics.definitions import literal_dice
from tests.voxsiam.metrics.masks import random_mask_pairs
from voxsiam.metrics.overlap import dice


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
