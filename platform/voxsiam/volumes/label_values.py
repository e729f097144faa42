"""From the values of a label file to ours: 0 background, 1.. organs."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from voxsiam.errors import UserError, refusal
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, to_canonical

_UNKNOWN = 255
_LISTED = 5
_PIECE = 2**18
"""Voxels looked at together: a whole label map at once takes several times its memory."""


def renamed_label(
    scan: Scan,
    label_values: Mapping[int, int],
    *,
    may_be_empty: bool = False,
    called: str = "",
    advice: str = "declare or remap the others",
) -> UInt8[np.ndarray, "d h w"]:
    """Rename the values of a label map to ours, in d h w on its own grid.

    Args:
        label_values: Value in the file -> 0 background, 1.. organs; at most 254 of them.
        may_be_empty: Whether a map without organs is fine: a prediction may have found nothing.
        called: What the table of values is called, where it has a name.
        advice: What to do about unknown values.

    Raises:
        UserError: A value is unknown, such as 0.9999, -1 or 255, or none of the organs is in it.
    """
    canonical = to_canonical(scan.array, axis_order(scan.affine))
    lowest, highest = min(label_values), max(label_values)
    # One more at each end: what lies beyond is as unknown as the gaps between.
    table = np.full(highest - lowest + 3, _UNKNOWN, dtype=np.uint8)
    for source_value, value in label_values.items():
        table[source_value - lowest + 1] = value
    renamed = np.empty(canonical.shape, dtype=np.uint8)
    # Slice by slice: numpy takes eight bytes for each voxel that it looks up.
    for source, target in zip(canonical, renamed, strict=True):
        np.take(table, _places(source, lowest, highest), out=target)
    if (renamed == _UNKNOWN).any():
        what = f"Label values that '{called}' does not know" if called else "Unknown label values"
        raise _unknown_values(scan, label_values, what, advice)
    if not may_be_empty and not renamed.any():
        what = "The label map holds none of the organs."
        raise refusal(scan.path, what, "give the label map of this scan, or leave the case out")
    return renamed


def _places(source: Shaped[np.ndarray, "h w"], lowest: int, highest: int) -> Int[np.ndarray, "h w"]:
    """Find the place of each value in the table; 0 for what is below, above or no whole number."""
    known = (source >= lowest) & (source <= highest)
    if source.dtype.kind == "f":
        known &= source == np.floor(source)
    # Unknown ones become 0 first: not every number of the file's type fits an index.
    return (np.where(known, source, 0).astype(np.intp) - (lowest - 1)) * known


def _scale_advice(scan: Scan) -> str:
    """Say how whole numbers became others, where the header shows it; empty where it does not."""
    slope = math.nan if scan.header is None else float(scan.header["scl_slope"])
    if not math.isfinite(slope) or slope in {0.0, 1.0}:
        return ""
    return (
        f"the file stores them scaled by {slope:.4g}, as when floating-point numbers are saved as "
        "8-bit ones: save the whole numbers themselves, as integers"
    )


def _unknown_values(
    scan: Scan, label_values: Mapping[int, int], what: str, advice: str
) -> UserError:
    counts = _count_values(scan.array)
    unknown = {value: count for value, count in counts.items() if value not in label_values}
    first = sorted(unknown.items())[:_LISTED]
    listed = ", ".join(f"{value:.9g} ({count} voxels)" for value, count in first)
    more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
    known = f"known are the whole numbers {_ranges(label_values)}: {advice}"
    return refusal(scan.path, f"{what}: {listed}{more}.", _scale_advice(scan) or known)


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
    has_gaps = values[-1] - values[0] >= len(values)
    if has_gaps and len(values) <= 12:
        return ", ".join(map(str, values))
    return f"{values[0]} to {values[-1]}"
