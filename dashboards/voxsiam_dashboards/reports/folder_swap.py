"""Put a finished folder in the place of an older one in a single step."""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_folder(directory: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a new folder, then put it in the place of `directory`.

    Whatever happens before the end, a kill included, the older folder stays as it was.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        write(fresh)
        fresh.chmod(0o755)
        _put(fresh, directory)
    finally:
        # Holds the older folder after a swap, the half-written one after a failure.
        shutil.rmtree(fresh, ignore_errors=True)


def foreign_file(directory: Path, ours: set[str]) -> str | None:
    """Name the first thing in a folder that is not ours, or what stands in the folder's place."""
    if directory.is_dir():
        return min({path.name for path in directory.iterdir()} - ours, default=None)
    return directory.name if directory.exists() else None


def _put(fresh: Path, directory: Path) -> None:
    if not directory.exists():
        fresh.rename(directory)
    elif not _exchange(fresh, directory):
        # Two steps where the file system knows no exchange: the older folder is never deleted
        # before the new one stands.
        aside = fresh.with_name(f"{fresh.name}.old")
        directory.rename(aside)
        fresh.rename(directory)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step (Linux, renameat2); False where that is not possible."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    paths = (os.fsencode(first), os.fsencode(second))
    return renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0
