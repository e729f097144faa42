"""From the axes of a file to d h w in the patient's frame, and back; where grids lie there.

d runs inferior -> superior, h posterior -> anterior, w left -> right: NIfTI's RAS, reversed.
"""

from dataclasses import dataclass

import nibabel
import numpy as np
from jaxtyping import Float64, Shaped

from voxsiam.errors import UserError
from voxsiam.types import CropBox, Spacing
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import directions, grid_corners

NOTED_TILT_DEG, MAX_TILT_DEG = 10.0, 30.0
"""From an axis of the patient to the nearest axis of the file; from 45 degrees on, "nearest" is
arbitrary."""


@dataclass(frozen=True)
class AxisOrder:
    """How the axes of a file lie in the patient.

    Attributes:
        file_axis: For d, h and w: which axis of the file it is.
        flipped: For d, h and w: whether the file runs the other way.
    """

    file_axis: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]


def axis_order(affine: Float64[np.ndarray, "4 4"]) -> AxisOrder:
    """Find the axis order nearest to an affine; oblique scans go to the nearest one."""
    to_world = nibabel.io_orientation(affine)  # pyright: ignore[reportPrivateImportUsage]
    # Row i says: file axis i runs along world axis (x y z), forwards or backwards.
    by_world = {int(world): (axis, sign < 0) for axis, (world, sign) in enumerate(to_world)}
    (d, flip_d), (h, flip_h), (w, flip_w) = by_world[2], by_world[1], by_world[0]
    return AxisOrder((d, h, w), (bool(flip_d), bool(flip_h), bool(flip_w)))


def tilt_note(affine: Float64[np.ndarray, "4 4"], where: str) -> str:
    """Say that a scan is turned; empty where it is not by much.

    Raises:
        UserError: It is turned so far that its axes are not those of the patient.
    """
    nearest = np.abs(directions(affine)).max(axis=0)
    tilt = float(np.degrees(np.arccos(np.clip(nearest, 0, 1))).max())  # 0 to 54.7
    if tilt > MAX_TILT_DEG:
        what = f"It is turned by {tilt:.0f} degrees: its axes are not those of the patient."
        raise UserError(what, where=where, fix="resample it to axes along the patient")
    if tilt <= NOTED_TILT_DEG:
        return ""
    return f"it is turned by {tilt:.0f} degrees; the nearest axes of the patient are used"


def to_canonical(
    array: Shaped[np.ndarray, "i j k"], order: AxisOrder
) -> Shaped[np.ndarray, "d h w"]:
    """View an array of a file in d h w; no voxel is copied or changed."""
    return flipped(array.transpose(order.file_axis), order.flipped)


def from_canonical(
    array: Shaped[np.ndarray, "d h w"], order: AxisOrder
) -> Shaped[np.ndarray, "i j k"]:
    """View a d h w array in the axes of the file: the exact inverse of `to_canonical`."""
    return flipped(array, order.flipped).transpose(np.argsort(order.file_axis))


def flipped(
    array: Shaped[np.ndarray, "d h w"], mirrored: tuple[bool, bool, bool]
) -> Shaped[np.ndarray, "d h w"]:
    """View an array mirrored along some of its axes."""
    return array[tuple(slice(None, None, -1 if mirror else 1) for mirror in mirrored)]


def spacing_dhw(affine: Float64[np.ndarray, "4 4"], order: AxisOrder) -> Spacing:
    """Voxel size in mm along d, h, w."""
    d, h, w = (float(np.linalg.norm(affine[:3, axis])) for axis in order.file_axis)
    return d, h, w


def ranges_dhw(ranges: CropBox, shape: tuple[int, ...], order: AxisOrder) -> CropBox:
    """Turn (start, stop) along the axes of a file of that shape into those along d, h, w."""
    d, h, w = (
        _range(ranges[axis], shape[axis], flipped)
        for axis, flipped in zip(order.file_axis, order.flipped, strict=True)
    )
    return d, h, w


def _range(part: tuple[int, int], length: int, flipped: bool) -> tuple[int, int]:
    start, stop = part
    return (length - stop, length - start) if flipped else part


def in_patient_axes(scan: Scan) -> Scan:
    """View a scan along d h w: no voxel is copied, and each stays where it lies in the patient."""
    order = axis_order(scan.affine)
    affine = np.eye(4)
    affine[:3, 3] = scan.affine[:3, 3]
    for axis, (file_axis, mirrored) in enumerate(zip(order.file_axis, order.flipped, strict=True)):
        step = scan.affine[:3, file_axis]
        affine[:3, axis] = -step if mirrored else step
        if mirrored:
            affine[:3, 3] += step * (scan.array.shape[file_axis] - 1)
    return Scan(scan.path, to_canonical(scan.array, order), affine)


def corner_drift_voxels(image: Scan, label: Scan) -> float:
    """Largest distance between the same corner of both grids, in voxels of the image."""
    corners = grid_corners(image.array.shape)
    moved = corners @ (np.linalg.inv(image.affine) @ label.affine).T
    return float(np.linalg.norm((moved - corners)[:, :3], axis=1).max())
