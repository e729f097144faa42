"""A disk of its own that can be filled: a tmpfs where the kernel lets us mount one."""

import errno
import os
import resource
import subprocess
from contextlib import contextmanager
from pathlib import Path

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@"'


def on_small_disk(folder: Path, size: str) -> list[str]:
    """Return what a command is to be preceded by, so that it sees a small disk at a folder.

    Where users may not mount, nothing: `full` then lets the kernel refuse each longer file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(folder), size]
    tried = subprocess.run([*words, "true"], check=False, capture_output=True)
    return words if tried.returncode == 0 else []


@contextmanager
def full(disk: Path, room: int):
    """Leave no more than so many bytes on the disk, until the context ends."""
    if disk.stat().st_dev == disk.parent.stat().st_dev:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Of each file: what is to be written is seldom one file alone.
        resource.setrlimit(resource.RLIMIT_FSIZE, (room // 2, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    ballast = disk / "ballast"
    _fill(ballast)
    size = ballast.stat().st_size
    os.truncate(ballast, max(0, size - room))
    try:
        yield
    finally:
        ballast.unlink()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
