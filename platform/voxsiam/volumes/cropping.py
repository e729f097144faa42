"""Find the body in a CT, from its intensities alone."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.ndimage import find_objects
from scipy.ndimage import label as label_components

from voxsiam.errors import UserError
from voxsiam.types import Box, Spacing

BODY_THRESHOLD_HU = -500.0
"""Half way between air (-1000) and water (0): partial volume does not move the skin."""

BODY_MARGIN_MM = 10.0
"""Kept around the body, so that the skin never lies on the border of the grid."""


def body_box(array: Shaped[np.ndarray, "d h w"], spacing_mm: Spacing, path: Path) -> Box:
    """Bound the largest connected part above -500 HU, with 10 mm around it.

    Parts are connected through faces of voxels; of several equally large ones the first counts.
    Air inside the body does not matter, and what touches the body (a table) belongs to it.

    Args:
        array: CT in HU.
        spacing_mm: Voxel size, for the margin: whole voxels that hold 10 mm.
        path: Named where there is no body.

    Raises:
        UserError: No voxel lies above -500 HU.
    """
    part = _largest_component(array > BODY_THRESHOLD_HU)
    if part is None:
        raise UserError(
            f"No voxel lies above {BODY_THRESHOLD_HU:g} HU, so there is no body to crop to.",
            where=str(path),
            fix="give a CT in Hounsfield units, or prepare with crop=none",
        )
    d, h, w = (
        _widened(extent, int(np.ceil(BODY_MARGIN_MM / spacing)), length)
        for extent, spacing, length in zip(part, spacing_mm, array.shape, strict=True)
    )
    return d, h, w


def _largest_component(mask: Bool[np.ndarray, "d h w"]) -> Box | None:
    components = np.empty(mask.shape, dtype=np.int32)
    if label_components(mask, output=components) == 0:
        return None
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    d, h, w = find_objects(components)[int(sizes.argmax()) - 1]
    return d, h, w


def _widened(extent: slice, margin: int, length: int) -> slice:
    return slice(max(extent.start - margin, 0), min(extent.stop + margin, length))
