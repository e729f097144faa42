"""Does a label map lie on the grid of its image, whatever the order of its axes in the file?"""

from itertools import product

import numpy as np
from jaxtyping import Float64

from voxsiam.errors import UserError
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import AxisOrder, axis_order, to_canonical

MAX_DRIFT_VOXELS = 0.01
"""How far a corner of the label may lie from the image's: above the rounding of float32 headers
(below 0.001 voxel), far below anything a resampling would show."""


def check_same_shape(image: Scan, label: Scan) -> None:
    """Refuse a label map whose axes in the file are not as long as its image's."""
    _check_shape(label, label.array.shape, image.array.shape)


def check_same_grid(image: Scan, label: Scan) -> None:
    """Refuse a label map that does not cover the same voxels of the patient as its image."""
    ours, theirs = in_patient_axes(image), in_patient_axes(label)
    _check_shape(label, theirs.array.shape, ours.array.shape)
    drift = corner_drift_voxels(ours, theirs)
    if drift > MAX_DRIFT_VOXELS:
        raise UserError(
            f"The label map lies up to {drift:.3g} voxels away from its image (affines differ).",
            where=str(label.path),
            fix="give it the affine of its image if the arrays do match, else resample it",
        )


def in_patient_axes(scan: Scan) -> Scan:
    """View a scan along d h w: no voxel is copied, and each stays where it lies in the patient."""
    order = axis_order(scan.affine)
    return Scan(scan.path, to_canonical(scan.array, order), _affine_dhw(scan, order))


def corner_drift_voxels(image: Scan, label: Scan) -> float:
    """Largest distance between the same corner of both grids, in voxels of the image."""
    corners = np.array(
        [[*corner, 1.0] for corner in product(*((0, n - 1) for n in image.array.shape))]
    )
    moved = corners @ (np.linalg.inv(image.affine) @ label.affine).T
    return float(np.linalg.norm((moved - corners)[:, :3], axis=1).max())


def _affine_dhw(scan: Scan, order: AxisOrder) -> Float64[np.ndarray, "4 4"]:
    """Map d h w indices to mm: the file's affine with its columns reordered and turned round."""
    affine = np.eye(4)
    affine[:3, 3] = scan.affine[:3, 3]
    for axis, (file_axis, flipped) in enumerate(zip(order.file_axis, order.flipped, strict=True)):
        step = scan.affine[:3, file_axis]
        affine[:3, axis] = -step if flipped else step
        if flipped:
            affine[:3, 3] += step * (scan.array.shape[file_axis] - 1)
    return affine


def _check_shape(label: Scan, shape: tuple[int, ...], image_shape: tuple[int, ...]) -> None:
    if shape != image_shape:
        raise UserError(
            f"The label map has shape {shape}, its image {image_shape}.",
            where=str(label.path),
            fix="resample the label map to the grid of the image",
        )
