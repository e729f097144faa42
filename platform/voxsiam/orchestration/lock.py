"""A lock that one process holds at a time, and that dies with it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.regular_files import open_lock


@contextmanager
def held_alone(file: Path, refusal: UserError) -> Iterator[None]:
    """Hold a lock.

    Args:
        file: Made where it is missing; it stays.
        refusal: Raised where another process holds it.

    Raises:
        UserError: The file cannot be opened, or is none.
    """
    try:
        opened = open_lock(file)
    except OSError as error:
        what = f"the lock cannot be opened: {error.strerror}"
        fix = "remove it if nobody uses this workspace now: nothing is kept in it"
        raise UserError(what, where=str(file), fix=fix) from None
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise refusal from None
        yield


def is_held(file: Path) -> bool:
    """Tell whether a process holds a lock now, or that it cannot be known."""
    try:
        with open_lock(file) as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
