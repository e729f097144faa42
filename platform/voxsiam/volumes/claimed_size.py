"""What the header of a volume claims must fit its file, before memory is taken for it."""

from pathlib import Path

from voxsiam.errors import UserError

MAX_VOXELS = 2**31
_MAX_BYTES = 2**32
_MAX_PACKED_RATIO, _RATIO_COUNTS_ABOVE_BYTES = 200, 2**30
"""A CT shrinks to a third, the label map of a small organ to a thousandth: without its image, a
file that is both that large and that empty is taken for a bomb."""

_MAX_DEFLATE_RATIO = 1032  # a deflate stream cannot grow by more than this


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
        voxel_bytes: That its header claims.
        file_bytes: Size of the file that holds them.
        may_be_empty: A label map whose image bounds it: it may shrink as far as it will.
        header_bytes: Before them in the same stream.

    Raises:
        UserError: It does not fit.
    """
    needed = header_bytes + voxel_bytes
    if file_bytes * (_MAX_DEFLATE_RATIO if is_packed else 1) < needed:
        raise UserError(
            f"It is too short for the {needed} bytes that its header claims.",
            where=str(path),
            fix="it is damaged or was copied in part: copy or export it again",
        )
    is_bomb = needed > _RATIO_COUNTS_ABOVE_BYTES and needed > file_bytes * _MAX_PACKED_RATIO
    if needed > _MAX_BYTES or (is_bomb and not may_be_empty):
        raise UserError(
            f"Its voxels take {voxel_bytes:,} bytes in a file of {file_bytes:,}.",
            where=str(path),
            fix="store whole numbers: scans as 16 bit, label maps as 8 bit; or crop it",
        )
