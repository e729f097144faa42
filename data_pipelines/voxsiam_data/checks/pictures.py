"""Two slices of a case, small enough to keep for hundreds of cases: what its picture shows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from voxsiam_data.checks.case_voxels import CaseVoxels

MAX_PIXELS = 256
WINDOW_HU = (-160.0, 240.0)


@dataclass(frozen=True, eq=False)
class Cut:
    """One slice, rows along d or h and columns along w, not yet turned for a reader.

    Attributes:
        index: Which slice of the scan, counted along d (axial) or h (coronal).
        grey: 0..255 from -160 to 240 HU; 0 where there is no image.
        labels: 0 background, 1.. organs.
        spacing_mm: Distance of rows, then of columns.
    """

    index: int
    grey: UInt8[np.ndarray, "y x"]
    labels: UInt8[np.ndarray, "y x"]
    spacing_mm: tuple[float, float]


@dataclass(frozen=True, eq=False)
class CasePicture:
    """An axial and a coronal slice of one case."""

    axial: Cut
    coronal: Cut


def picture_of(voxels: CaseVoxels, slice_index: int | None = None) -> CasePicture:
    """Cut a case through most organs, or at an axial slice that is named."""
    axial, coronal = _busiest(voxels)
    axial = axial if slice_index is None else min(slice_index, voxels.shape[0] - 1)
    return CasePicture(_cut(voxels, 0, axial), _cut(voxels, 1, coronal))


def _busiest(voxels: CaseVoxels) -> tuple[int, int]:
    """Find the axial and the coronal slice through most organs, then most of them."""
    middle = voxels.shape[0] // 2, voxels.shape[1] // 2
    if voxels.label is None:
        return middle
    reduced = voxels.sampled(voxels.label)
    if not reduced.any():
        return middle
    best, classes = [], int(reduced.max()) + 1
    for axis in (0, 1):
        slices = np.ascontiguousarray(np.moveaxis(reduced, axis, 0))
        counts = np.stack([np.bincount(one.ravel(), minlength=classes) for one in slices])
        organs, area = np.count_nonzero(counts[:, 1:], axis=1), counts[:, 1:].sum(axis=1)
        best.append(int(np.lexsort((area, organs))[-1]) * voxels.sample_steps[axis])
    return best[0], best[1]


def _cut(voxels: CaseVoxels, axis: int, index: int) -> Cut:
    y, x = (other for other in range(3) if other != axis)
    steps = {along: max(1, -(-voxels.shape[along] // MAX_PIXELS)) for along in (y, x)}
    parts = (slice(None, None, steps[y]), slice(None, None, steps[x]))
    size = [-(-voxels.shape[along] // steps[along]) for along in (y, x)]
    grey = labels = np.zeros(size, np.uint8)
    if voxels.image is not None:
        grey = _grey(voxels.image.take(index, axis)[parts])
    if voxels.label is not None:
        labels = np.ascontiguousarray(voxels.label.take(index, axis)[parts])
    y_mm, x_mm = voxels.spacing_mm[y] * steps[y], voxels.spacing_mm[x] * steps[x]
    return Cut(index, grey, labels, (y_mm, x_mm))


def _grey(hu: Shaped[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"]:
    low, high = WINDOW_HU
    unit: Float32[np.ndarray, "y x"] = (hu.astype(np.float32) - low) / (high - low)
    return (np.nan_to_num(unit).clip(0, 1) * 255).astype(np.uint8)
