import numpy as np
import pytest
from scipy.ndimage import find_objects

from voxsiam.metrics.organ_boxes import organ_boxes
from voxsiam.types import ORGANS


@pytest.mark.parametrize("seed", range(12))
def test_equal_scipy_on_the_union(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 12, 3))
    # Few voxels, so that some organs are absent and boxes are small.
    maps = [rng.integers(0, 9, shape) * (rng.random(shape) < 0.03) for _ in range(2)]
    prediction, reference = (one.astype(np.uint8) for one in maps)
    found = organ_boxes(prediction, reference)
    for value in range(1, len(ORGANS) + 1):
        union = ((prediction == value) | (reference == value)).astype(int)
        assert found.get(value) == (find_objects(union) or [None])[0]


def test_nothing_has_no_box():
    empty = np.zeros((3, 4, 5), np.uint8)
    assert organ_boxes(empty, empty) == {}
