import numpy as np
import pytest

from tests.voxsiam.metrics.masks import random_mask_pairs
from voxsiam.metrics.overlap import dice


def counted_dice(prediction, reference):
    ours = {tuple(voxel) for voxel in np.argwhere(prediction)}
    theirs = {tuple(voxel) for voxel in np.argwhere(reference)}
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))


def test_equals_counting_the_voxels_of_both_sets():
    for prediction, reference, _ in random_mask_pairs(100):
        assert dice(prediction, reference) == pytest.approx(
            counted_dice(prediction, reference), abs=1e-12
        )


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
