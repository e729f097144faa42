"""The memory that processes may hold here."""

from contextlib import suppress
from pathlib import Path

import psutil

_CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def memory_limit() -> int:
    """Return the bytes that processes may hold here: the container's limit, or the machine's."""
    limits = [psutil.virtual_memory().total]
    for name in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
    return min(limits)
