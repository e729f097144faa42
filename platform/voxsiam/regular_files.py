"""Files that are files: no pipe, no device, and no larger than they can plausibly be.

Folders come from anybody. A link to /dev/zero never ends, a pipe waits for ever for a writer, a
sparse file of terabytes takes no room where it lies, and all of the memory where it is read.
"""

import errno
import os
import stat
from io import BufferedReader, BufferedWriter, FileIO
from pathlib import Path

PLAUSIBLE_BYTES = 64 * 2**30
"""No file of ours comes near it; to hash that much takes about a minute."""

_OWN = os.O_CREAT | os.O_NOFOLLOW


def open_regular(path: Path, most_bytes: int = PLAUSIBLE_BYTES) -> BufferedReader:
    """Open a file for reading if it is one; links to files are followed.

    Raises:
        OSError: It is absent, no regular file, or larger.
    """
    return os.fdopen(_open(path, os.O_RDONLY, most_bytes), "rb")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Read the bytes of a file if it is one.

    Raises:
        OSError: It is absent, no regular file, or larger.
    """
    with open_regular(path, most_bytes) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:  # it grows, or does not tell its size
        raise _too_large(path, most_bytes)
    return content


def require_regular(path: Path, most_bytes: int = PLAUSIBLE_BYTES) -> None:
    """Look at a file that a library is going to open by its path.

    Raises:
        OSError: It is absent, no regular file, or larger.
    """
    _require(path.stat(), path, most_bytes)


def open_lock(path: Path) -> FileIO:
    """Open a file that is only there to be locked, and make it where it is absent.

    Nothing is written into it: one that is a link to another file leaves that as it is.

    Raises:
        OSError: It is a link or no regular file, or cannot be made.
    """
    return os.fdopen(_open(path, _OWN | os.O_RDWR), "r+b", buffering=0)


def open_to_append(path: Path) -> BufferedWriter:
    """Open a file to write at its end, and make it where it is absent.

    Raises:
        OSError: It is a link or no regular file, or cannot be made.
    """
    return os.fdopen(_open(path, _OWN | os.O_WRONLY | os.O_APPEND), "ab")


def _open(path: Path, flags: int, most_bytes: int = PLAUSIBLE_BYTES) -> int:
    # Without O_NONBLOCK the opening of a pipe waits until somebody writes into it.
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    try:
        _require(os.fstat(descriptor), path, most_bytes)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _require(found: os.stat_result, path: Path, most_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if found.st_size > most_bytes:
        raise _too_large(path, most_bytes)


def _too_large(path: Path, most_bytes: int) -> OSError:
    unit, name = (2**20, "MiB") if most_bytes >= 2**20 else (1, "bytes")
    return OSError(
        errno.EFBIG, f"it is too large: larger than {most_bytes // unit} {name}", str(path)
    )
