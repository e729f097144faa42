"""What the header of a volume claims must fit its file, before memory is taken for it."""

import math
from pathlib import Path

from voxsiam.errors import refusal

DAMAGED = "it is damaged or was copied in part: copy or export it again"
MAX_VOXELS = 2**31
_MAX_BYTES = 2**32
_MAX_PACKED_RATIO, _RATIO_COUNTS_ABOVE_BYTES = 200, 2**30
"""A CT shrinks to a third, the label map of a small organ to a thousandth: without its image, a
file that is both that large and that empty is taken for a bomb."""

_MAX_DEFLATE_RATIO = 1032  # a deflate stream cannot grow by more than this


def check_array(path: Path, shape: tuple[int, ...], *, of_numbers: bool) -> None:
    """Refuse an array that is no 3D scan, or larger than any."""
    if len(shape) != 3 or min(shape) < 2:
        what = f"It holds an array of shape {shape!s:.60}, not a 3D scan."
        raise refusal(path, what, "give one scan with three axes of at least 2 voxels")
    if math.prod(shape) > MAX_VOXELS:
        raise refusal(path, f"Its header claims {shape} voxels.", "crop it below 2^31 voxels")
    if not of_numbers:
        raise refusal(path, "Its voxels are not single numbers.", "export intensities, not colours")


def check_lengths(
    path: Path, shape: tuple[int, ...], image_shape: tuple[int, ...], *, in_order: bool = False
) -> None:
    """Refuse a label map whose axes have not the lengths of its image's, in whatever order."""
    is_same = shape == image_shape if in_order else sorted(shape) == sorted(image_shape)
    if not is_same:
        what = f"The label map has shape {shape}, its image {image_shape}."
        raise refusal(path, what, "resample the label map to the grid of the image")


def check_claimed_size(
    path: Path,
    voxel_bytes: int,
    file_bytes: int,
    *,
    is_packed: bool,
    may_be_empty: bool,
    header_bytes: int = 0,
) -> None:
    """Refuse a file that is too short for its voxels, or voxels that are too many for their file.

    Args:
        voxel_bytes: Of all voxels, as its header claims.
        may_be_empty: A label map whose image bounds it: it may shrink as far as it will.
        header_bytes: Before them in the same stream.
    """
    needed = header_bytes + voxel_bytes
    if file_bytes * (_MAX_DEFLATE_RATIO if is_packed else 1) < needed:
        what = f"It is too short for the {needed} bytes that its header claims."
        raise refusal(path, what, DAMAGED)
    is_bomb = needed > _RATIO_COUNTS_ABOVE_BYTES and needed > file_bytes * _MAX_PACKED_RATIO
    if needed > _MAX_BYTES or (is_bomb and not may_be_empty):
        what = f"Its voxels take {voxel_bytes:,} bytes in a file of {file_bytes:,}."
        fix = "store whole numbers: scans as 16 bit, label maps as 8 bit; or crop it"
        raise refusal(path, what, fix)
