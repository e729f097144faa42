"""Checksums of source files, remembered so that unchanged files are not read again.

Files are named by the hash of their path: paths may hold patients' names.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from voxsiam.durable_files import sha256_of, write_text_atomically
from voxsiam.errors import UserError
from voxsiam.small_files import LARGE, read_json_bytes
from voxsiam.types import Frozen

MOST_SOURCE_BYTES = 2**33
"""No scan of that size is read."""


class KnownFile(Frozen):
    """A file as it was when its checksum was taken."""

    path_hash: str
    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str


def known_file(path: Path, sha256: str | None = None) -> KnownFile:
    """Describe a file now, reading it unless the checksum is given."""
    try:
        status = path.stat()
        return KnownFile(
            path_hash=hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest(),
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            sha256=sha256 if sha256 is not None else sha256_of(path, MOST_SOURCE_BYTES),
        )
    except OSError as error:
        raise UserError(
            f"The file cannot be read ({error.strerror}).",
            where=str(path),
            fix="check that it is there and its permissions",
        ) from error


class FileIndex:
    """What is known of the source files; an absent or damaged index only costs reading again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            files = _FILES.validate_json(read_json_bytes(path, LARGE))
        except (OSError, ValueError):
            files = []
        self._files = {file.path_hash: file for file in files}

    def sha256(self, path: Path) -> str | None:
        """Tell a file's checksum if it has not changed since it was taken."""
        now = known_file(path, sha256="")
        then = self._files.get(now.path_hash)
        unchanged = then and then.model_copy(update={"sha256": ""}) == now
        return then.sha256 if then and unchanged else None

    def remember(self, files: Iterable[KnownFile]) -> None:
        """Add files and write the index if that changed it."""
        updated = self._files | {file.path_hash: file for file in files}
        if updated != self._files:
            self._files = updated
            ordered = [updated[name] for name in sorted(updated)]
            write_text_atomically(self._path, _FILES.dump_json(ordered).decode())


_FILES = TypeAdapter(list[KnownFile])
