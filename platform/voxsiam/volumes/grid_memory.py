"""Whether the volumes of a grid fit the memory, before any is made."""

import math
from contextlib import suppress
from pathlib import Path

import psutil

from voxsiam.errors import UserError
from voxsiam.types import Shape

_CGROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def free_memory() -> int:
    """Return the bytes that this process may still take: of the machine, or of its container."""
    free = [psutil.virtual_memory().available]
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):
            allowed, taken = (
                int((Path("/sys/fs/cgroup") / name).read_text()) for name in (limit, used)
            )
            # What the kernel could let go of counts as taken there: half of the limit is left.
            free.append(max(allowed - taken, allowed // 2))
    return min(free)


def require_room(grid: Shape, voxel_bytes: int, free_bytes: int, where: str) -> None:
    """Refuse a grid for which the memory is too small, at so many bytes a voxel or more.

    Args:
        where: What asks for the grid.
    """
    needed = math.prod(grid) * voxel_bytes
    if needed > free_bytes:
        raise UserError(
            f"A grid of {' x '.join(map(str, grid))} voxels takes at least "
            f"{needed / 2**30:,.1f} GiB of memory, {free_bytes / 2**30:,.1f} GiB are free.",
            where=where,
            fix="use a smaller grid, or a machine with more memory",
        )
