"""A lock that one process holds at a time, and that dies with it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxsiam.errors import UserError


@contextmanager
def held_alone(file: Path, refusal: UserError) -> Iterator[None]:
    """Hold a lock.

    Args:
        file: Made where it is missing; it stays.
        refusal: Raised where another process holds it.
    """
    with file.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise refusal from None
        yield


def is_held(file: Path) -> bool:
    """Tell whether a process holds a lock now, or that it cannot be known."""
    try:
        with file.open("a") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
