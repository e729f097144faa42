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
        """95th percentile of the two sets in one pool, as medpy's `hd95`; NaN when empty."""
        pooled = np.concatenate([self.to_reference, self.to_prediction])
        return float(np.percentile(pooled, 95)) if pooled.size else float("nan")

    @property
    def larger_directed_hd95(self) -> float:
        """The larger of the two directed 95th percentiles, as MONAI has it; NaN when empty."""
        if self.to_reference.size == 0:
            return float("nan")
        return max(float(np.percentile(one, 95)) for one in (self.to_reference, self.to_prediction))

    @property
    def pooled_assd(self) -> float:
        """Mean of both sets in one pool, as MONAI: the larger surface counts for more; or NaN."""
        pooled = np.concatenate([self.to_reference, self.to_prediction])
        return float(pooled.mean()) if pooled.size else float("nan")

    @property
    def assd(self) -> float:
        """Mean of the two directed means, as medpy's `assd`, whatever their sizes; or NaN."""
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
        return [SurfaceDistances(np.empty(0), np.empty(0)) for _ in spacings_mm]
    ours, theirs = surface(prediction), surface(reference)
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
    """95 % Hausdorff distance of two masks, in the unit of the spacing; NaN if either is empty.

    Equation: the 95th percentile of both directed distance sets in one pool (medpy's `hd95`).
    """
    return surface_distances(prediction, reference, [spacing_mm])[0].hd95


def assd(
    prediction: Bool[np.ndarray, "d h w"],
    reference: Bool[np.ndarray, "d h w"],
    spacing_mm: Spacing = GRID,
) -> float:
    """Average symmetric surface distance of two masks, in the unit of the spacing; or NaN.

    Equation: the mean of the two directed means (medpy's `assd`); NaN if either mask is empty.
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
