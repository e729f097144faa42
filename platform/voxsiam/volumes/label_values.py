"""From the values of a label file to ours: 0 background, 1..8 organs."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped, UInt8

from voxsiam.errors import UserError
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, to_canonical

_PIECE = 2**18
"""Voxels looked at together: a whole label map at once takes several times its memory."""


def renamed_label(
    scan: Scan, label_values: Mapping[int, int], *, may_be_empty: bool = False
) -> UInt8[np.ndarray, "d h w"]:
    """Check the values of a label map and rename them to ours, on its own grid.

    Args:
        scan: The label map as read from its file.
        label_values: Value in the file -> 0 background, 1..8 organs.
        may_be_empty: Whether a map without any of the organs is fine.

    Raises:
        UserError: A value is unknown, or none of the organs is in it.
    """
    _check_label_values(scan, label_values, may_be_empty)
    canonical = to_canonical(scan.array, axis_order(scan.affine))
    lowest = min(label_values)
    table = np.zeros(max(label_values) - lowest + 1, dtype=np.uint8)
    for source_value, value in label_values.items():
        table[source_value - lowest] = value
    renamed = np.empty(canonical.shape, dtype=np.uint8)
    # Slice by slice: numpy takes eight bytes for each voxel that it looks up.
    for source, target in zip(canonical, renamed, strict=True):
        np.take(table, source.astype(np.intp) - lowest, out=target)
    return renamed


def scale_advice(scan: Scan) -> str:
    """Say how whole numbers became others, where the header shows it; empty where it does not."""
    slope = math.nan if scan.header is None else float(scan.header["scl_slope"])
    if not math.isfinite(slope) or slope in {0.0, 1.0}:
        return ""
    return (
        f"the file stores them scaled by {slope:.4g}, as when floating-point numbers are saved as "
        "8-bit ones: save the whole numbers themselves, as integers"
    )


def _check_label_values(scan: Scan, label_values: Mapping[int, int], may_be_empty: bool) -> None:
    counts = _count_values(scan.array)
    unknown = {value: count for value, count in counts.items() if value not in label_values}
    if unknown:
        first = list(unknown.items())[:5]
        listed = ", ".join(f"{value:.9g} ({count} voxels)" for value, count in first)
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise UserError(
            f"Unknown label values: {listed}{more}.",
            where=str(scan.path),
            fix=scale_advice(scan)
            or f"known are the whole numbers {_ranges(label_values)}: declare or remap the others",
        )
    if not may_be_empty and not any(label_values[int(value)] for value in counts):
        raise UserError(
            "The label map holds none of the eight organs.",
            where=str(scan.path),
            fix="give the label map of this scan, or leave the case out",
        )


def _count_values(array: Shaped[np.ndarray, "i j k"]) -> dict[int | float, int]:
    # NumPy sorts two-byte numbers by radix, six times faster than bytes.
    wider = np.int16 if array.dtype.itemsize == 1 else array.dtype
    flat = array.ravel("K")
    counts: dict[int | float, int] = {}
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE].astype(wider, copy=False)
        values, numbers = np.unique(piece, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            key = value if value == value else math.nan  # one key for every NaN
            counts[key] = counts.get(key, 0) + number
    return counts


def _ranges(label_values: Mapping[int, int]) -> str:
    values = sorted(label_values)
    return ", ".join(map(str, values)) if len(values) <= 12 else f"{values[0]} to {values[-1]}"
