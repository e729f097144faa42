"""A file among the inputs that is not read, and why: nothing is passed over without a word."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from voxsiam.volumes.volume_file import ANALYZE

NO_SCAN_ENDINGS = frozenset((
    ".csv", ".gif", ".htm", ".html", ".jpeg", ".jpg", ".json", ".log", ".md", ".pdf", ".png",
    ".txt", ".xml", ".yaml", ".yml", ".zip",
))  # fmt: skip
"""Endings of files that need not be opened to know that they are no DICOM."""


@dataclass(frozen=True)
class UnusedFile:
    """A file that is not read.

    Attributes:
        path: Below the folder that was given.
        why: The reason, for people.
        is_lost: It looks like a scan or a label map that somebody may miss.
    """

    path: Path
    why: str
    is_lost: bool


def visible_folders(root: Path, avoided: Path | None = None) -> Iterator[tuple[Path, list[Path]]]:
    """Walk over folders with their files and dead links, in order of their names.

    Hidden files and folders are left by other systems; links to folders are not followed.

    Args:
        root: Where to begin.
        avoided: A folder below it that is passed over.
    """
    output = None if avoided is None else avoided.resolve()
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders[:] = sorted(
            one for one in folders
            if not one.startswith(".") and (output is None or (folder / one).resolve() != output)
        )  # fmt: skip
        yield folder, sorted(folder / one for one in files if not one.startswith("."))


def is_ignored(inside: Path, patterns: Sequence[str]) -> bool:
    """Tell whether a path below a folder, or its name, fits one of the patterns to leave out."""
    return any(fnmatch(str(inside), one) or fnmatch(inside.name, one) for one in patterns)


def unreadable(path: Path, inside: Path) -> UnusedFile | None:
    """Say why a file cannot be read whatever it holds; None where it may be.

    Args:
        path: The file.
        inside: Its path below the folder that was given.
    """
    if path.is_symlink() and not path.exists():
        may_be_scan = path.suffix.lower() not in NO_SCAN_ENDINGS
        return UnusedFile(inside, "a link that leads nowhere", is_lost=may_be_scan)
    if path.name.lower().endswith(ANALYZE):
        why = "Analyze does not know left from right: export it as NIfTI or DICOM"
        is_second = path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()
        return None if is_second else UnusedFile(inside, why, is_lost=True)
    return None
