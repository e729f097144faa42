"""Find the body in a CT, from its intensities alone."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped
from scipy import ndimage

from voxsiam.errors import refusal
from voxsiam.types import Box, Spacing

BODY_THRESHOLD_HU = -500.0
"""Half way between air (-1000) and water (0): partial volume does not move the skin."""

BODY_MARGIN_MM = 10.0
"""Kept around the body, so that the skin never lies on the border of the grid."""


def body_box(array: Shaped[np.ndarray, "d h w"], spacing_mm: Spacing, path: Path) -> Box:
    """Bound the largest connected part of a CT above -500 HU, with 10 mm around it.

    Air inside the body does not matter, and what touches the body (a table) belongs to it. The
    margin is the whole voxels that hold 10 mm.

    Raises:
        UserError: No voxel lies above -500 HU.
    """
    (part,) = ndimage.find_objects(largest_part(array > BODY_THRESHOLD_HU), max_label=1)
    if part is None:
        what = f"No voxel lies above {BODY_THRESHOLD_HU:g} HU, so there is no body to crop to."
        raise refusal(path, what, "give a CT in Hounsfield units, or prepare with crop=none")
    margins = [int(np.ceil(BODY_MARGIN_MM / spacing)) for spacing in spacing_mm]
    d, h, w = (
        slice(max(extent.start - margin, 0), min(extent.stop + margin, length))
        for extent, margin, length in zip(part, margins, array.shape, strict=True)
    )
    return d, h, w


def largest_part(mask: Bool[np.ndarray, "d h w"]) -> Bool[np.ndarray, "d h w"]:
    """Keep the largest part that is connected through faces of voxels; of equal ones the first."""
    parts = np.empty(mask.shape, dtype=np.int32)
    ndimage.label(mask, output=parts)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return mask & (parts == sizes.argmax())
