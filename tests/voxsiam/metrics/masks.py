"""Small random masks for tests that count and measure by hand."""

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

from voxsiam.types import Spacing


def random_mask_pairs(count: int) -> Iterator[tuple[np.ndarray, np.ndarray, Spacing]]:
    """Blobs, scattered voxels and single voxels of odd shapes; some touch the border."""
    rng = np.random.default_rng(20210507)
    for index in range(count):
        shape = tuple(int(side) for side in rng.integers(1, 9, size=3))
        blur = 1.0 if index % 3 else 0.0
        field = gaussian_filter(rng.normal(size=(2, *shape)), sigma=(0, blur, blur, blur))
        first, second = field > np.quantile(field, rng.uniform(0.3, 0.95))
        for mask in (first, second):
            mask[tuple(int(rng.integers(side)) for side in shape)] = True
        d, h, w = (float(step) for step in rng.uniform(0.4, 5.0, size=3))
        yield first, second, (d, h, w)
