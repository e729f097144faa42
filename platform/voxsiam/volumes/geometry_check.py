"""Does a label map lie on the grid of its image?"""

from itertools import product

import numpy as np

from voxsiam.errors import UserError
from voxsiam.volumes.nifti import Scan, check_shape

MAX_DRIFT_VOXELS = 0.01
"""How far a corner of the label may lie from the image's: above the rounding of float32 headers
(below 0.001 voxel), far below anything a resampling would show."""


def check_same_shape(image: Scan, label: Scan) -> None:
    """Refuse a label map of another shape."""
    check_shape(label.path, label.array.shape, image.array.shape)


def check_same_grid(image: Scan, label: Scan) -> None:
    """Refuse a label map of another shape, or whose corners lie elsewhere in the patient."""
    check_same_shape(image, label)
    drift = corner_drift_voxels(image, label)
    if drift > MAX_DRIFT_VOXELS:
        raise UserError(
            f"The label map lies up to {drift:.3g} voxels away from its image (affines differ).",
            where=str(label.path),
            fix="give it the affine of its image if the arrays do match, else resample it",
        )


def corner_drift_voxels(image: Scan, label: Scan) -> float:
    """Largest distance between the same corner of both grids, in voxels of the image."""
    corners = np.array(
        [[*corner, 1.0] for corner in product(*((0, n - 1) for n in image.array.shape))]
    )
    moved = corners @ (np.linalg.inv(image.affine) @ label.affine).T
    return float(np.linalg.norm((moved - corners)[:, :3], axis=1).max())
