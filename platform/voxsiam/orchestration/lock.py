"""A lock that one process holds at a time, and that dies with it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.regular_files import open_lock

_OF_DRIVER = "lock"


@contextmanager
def held_alone(file: Path, refusal: UserError) -> Iterator[None]:
    """Hold a lock; the file is made where it is missing, and stays.

    Raises:
        UserError: The refusal: another process holds it. Or the file cannot be opened.
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


@contextmanager
def held_by_driver(folder: Path, kind: str, own_id: str) -> Iterator[None]:
    """Keep other drivers away from the study or sweep that a folder is of.

    Raises:
        UserError: Another driver runs it now.
    """
    refusal = UserError(
        f"another process is running this {kind} now",
        where=str(folder),
        fix=f"watch it with: voxsiam {kind} status {own_id}",
    )
    with held_alone(folder / _OF_DRIVER, refusal):
        yield


def has_driver(folder: Path) -> bool:
    """Tell whether a study or sweep is being run now, or that it cannot be known."""
    try:
        with open_lock(folder / _OF_DRIVER) as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
