"""Files and folders that appear whole or not at all, whenever the process dies."""

import hashlib
import json
import os
import shutil
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from voxsiam.regular_files import PLAUSIBLE_BYTES, open_regular

_MARK = ".tmp-"
_ABANDONED_AFTER_S = 24 * 3600


def temporary_beside(target: Path) -> Path:
    """Name a temporary that tells which process on which host is writing it."""
    return target.parent / f"{_MARK}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a file by another in one step, on disk when this returns."""
    temporary = temporary_beside(path)
    write_synced(temporary, text.encode())
    temporary.replace(path)
    sync(path.parent)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path, most_bytes: int = PLAUSIBLE_BYTES) -> str:
    """Hash a file's bytes.

    Raises:
        OSError: It is absent, no regular file, or larger.
    """
    with open_regular(path, most_bytes) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_abandoned(folder: Path) -> int:
    """Remove temporaries whose process is dead, or that are a day old; count them."""
    abandoned = [path for path in folder.glob(f"{_MARK}*") if _is_abandoned(path)]
    for path in abandoned:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(abandoned)


def _is_abandoned(path: Path) -> bool:
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError:
        return False  # its process has just finished
    host, _, rest = path.name.removeprefix(_MARK).rpartition("-")[0].rpartition("-")
    is_ours = host == socket.gethostname() and rest.isdecimal()
    return age_s > _ABANDONED_AFTER_S or (is_ours and not _is_alive(int(rest)))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    """Replace a JSON file in one step: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(content, indent=1))
