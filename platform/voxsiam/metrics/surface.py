"""How far the surfaces of two masks lie apart, pooled as medpy pools.

The surface of a mask is the mask XOR its erosion by the 6-neighbour cross, so a mask voxel on the
border of the array is always surface. Axes: n = surface voxels of the prediction, m = of the
reference. Spacing (1, 1, 1) gives grid voxels instead of mm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from voxsiam.metrics.nearest import nearest_distances
from voxsiam.types import Spacing

GRID: Spacing = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class SurfaceDistances:
    """Both directed distance sets of two surfaces; empty where either mask is.

    Attributes:
        to_reference: From each surface voxel of the prediction to the nearest of the reference.
        to_prediction: From each surface voxel of the reference to the nearest of the prediction.
    """

    to_reference: Float[np.ndarray, " n"]
    to_prediction: Float[np.ndarray, " m"]

    @property
    def hd95(self) -> float:
        """95th percentile of the two sets in one pool (linear interpolation); NaN when empty."""
        pooled = np.concatenate([self.to_reference, self.to_prediction])
        return float(np.percentile(pooled, 95)) if pooled.size else float("nan")

    @property
    def larger_directed_hd95(self) -> float:
        """The larger of the two directed 95th percentiles; NaN when empty."""
        if self.to_reference.size == 0:
            return float("nan")
        return max(float(np.percentile(one, 95)) for one in (self.to_reference, self.to_prediction))

    @property
    def pooled_assd(self) -> float:
        """Mean of the two sets in one pool: the larger surface counts for more; NaN when empty."""
        pooled = np.concatenate([self.to_reference, self.to_prediction])
        return float(pooled.mean()) if pooled.size else float("nan")

    @property
    def assd(self) -> float:
        """Mean of the two directed means, whatever the sizes of the sets; NaN when empty."""
        if self.to_reference.size == 0:
            return float("nan")
        return float((self.to_reference.mean() + self.to_prediction.mean()) / 2)


def surface_distances(
    prediction: Bool[np.ndarray, "d h w"],
    reference: Bool[np.ndarray, "d h w"],
    spacings_mm: Sequence[Spacing],
) -> list[SurfaceDistances]:
    """Measure the directed distances once for each spacing, with the surfaces found once.

    Returns:
        One entry for each spacing, in its unit; both sets are empty when either mask is.
    """
    if not prediction.any() or not reference.any():
        nothing = np.empty(0)
        return [SurfaceDistances(nothing, nothing) for _ in spacings_mm]
    box = _bounding_box(prediction | reference)
    ours, theirs = surface(prediction[box]), surface(reference[box])
    return [
        SurfaceDistances(
            nearest_distances(ours, theirs, spacing), nearest_distances(theirs, ours, spacing)
        )
        for spacing in spacings_mm
    ]


def hd95(
    prediction: Bool[np.ndarray, "d h w"],
    reference: Bool[np.ndarray, "d h w"],
    spacing_mm: Spacing = GRID,
) -> float:
    """95 % Hausdorff distance: the 95th percentile of both directed distance sets in one pool.

    Equal to medpy's `hd95`; MONAI and the surface-distance package take the larger of the two
    directed percentiles instead.

    Returns:
        A distance >= 0 in the unit of the spacing, lower is better; NaN when either mask is empty.
    """
    return surface_distances(prediction, reference, [spacing_mm])[0].hd95


def assd(
    prediction: Bool[np.ndarray, "d h w"],
    reference: Bool[np.ndarray, "d h w"],
    spacing_mm: Spacing = GRID,
) -> float:
    """Average symmetric surface distance: the mean of the two directed means.

    Equal to medpy's `assd`; MONAI takes the mean of the pooled sets instead.

    Returns:
        A distance >= 0 in the unit of the spacing, lower is better; NaN when either mask is empty.
    """
    return surface_distances(prediction, reference, [spacing_mm])[0].assd


def surface(mask: Bool[np.ndarray, "d h w"]) -> Bool[np.ndarray, "d h w"]:
    """Voxels of a mask with at least one of their six neighbours outside it or the array."""
    # Background all around, as medpy's erosion reads beyond the array. Six shifted views: a
    # seventh of the time of scipy's erosion.
    wide = np.pad(mask, 1)
    inside = wide[2:, 1:-1, 1:-1] & wide[:-2, 1:-1, 1:-1]
    inside &= wide[1:-1, 2:, 1:-1]
    inside &= wide[1:-1, :-2, 1:-1]
    inside &= wide[1:-1, 1:-1, 2:]
    inside &= wide[1:-1, 1:-1, :-2]
    return mask & ~inside


def _bounding_box(mask: Bool[np.ndarray, "d h w"]) -> tuple[slice, slice, slice]:
    # No margin is needed: beyond this box there is only background, and that is how the erosion
    # reads beyond the array.
    planes = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    d, h, w = (slice(int(index[0]), int(index[-1]) + 1) for index in planes)
    return d, h, w
