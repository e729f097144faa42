"""A file among the inputs that is not read, and why: nothing is passed over without a word."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from voxsiam.volumes.dicom_file import is_dicom
from voxsiam.volumes.volume_file import ANALYZE, is_volume

NO_SCAN_ENDINGS = frozenset((
    ".csv", ".gif", ".htm", ".html", ".jpeg", ".jpg", ".json", ".log", ".md", ".pdf", ".png",
    ".txt", ".xml", ".yaml", ".yml", ".zip",
))  # fmt: skip
"""Endings of files that need not be opened to know that they are no DICOM."""


@dataclass(frozen=True)
class UnusedFile:
    """A file that is not read, by its path below the folder that was given.

    Attributes:
        why: The reason, for people.
        is_lost: It looks like a scan or a label map that somebody may miss.
    """

    path: Path
    why: str
    is_lost: bool


def visible_folders(root: Path, avoided: Path | None = None) -> Iterator[tuple[Path, list[Path]]]:
    """Walk over folders with their files and dead links, in order of their names.

    Hidden files and folders, which other systems leave, and the avoided one are passed over; links
    to folders are not followed.
    """
    output = None if avoided is None else avoided.resolve()
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders[:] = sorted(
            one for one in folders
            if not one.startswith(".") and (output is None or (folder / one).resolve() != output)
        )  # fmt: skip
        yield folder, sorted(folder / one for one in files if not one.startswith("."))


def unused_below(
    root: Path,
    used: Collection[Path],
    why: Callable[[Path], UnusedFile],
    ignored: Sequence[str] = (),
) -> list[UnusedFile]:
    """List by name the volumes and DICOM files below a folder that are not used.

    Several DICOM files of one folder are one entry, that of their folder.

    Args:
        used: Files, and folders of DICOM series, that are.
        why: Says what a volume is doing there, by its path below the folder.
        ignored: Patterns of what is meant to be left out.
    """
    root = root.resolve()
    taken = {path.resolve() for path in used}
    listed: list[UnusedFile] = []
    for folder, files in visible_folders(root):
        slices: list[Path] = []
        for path in files if folder not in taken else ():
            inside = path.relative_to(root)
            if path.resolve() in taken or is_ignored(inside, ignored):
                continue
            if one := unreadable(path, inside):
                listed.append(one)
            elif is_volume(path):
                listed.append(why(inside))
            elif path.suffix.lower() not in NO_SCAN_ENDINGS and is_dicom(path):
                slices.append(inside)
        listed += _series(slices)
    return sorted(listed, key=lambda one: str(one.path))


def _series(slices: Sequence[Path]) -> list[UnusedFile]:
    if len(slices) > 1:
        text = f"{len(slices)} DICOM files that no case uses"
        return [UnusedFile(slices[0].parent, text, is_lost=True)]
    return [UnusedFile(path, "a DICOM file that no case uses", is_lost=True) for path in slices]


def is_ignored(inside: Path, patterns: Sequence[str]) -> bool:
    """Tell whether a path below a folder, or its name, fits one of the patterns to leave out."""
    return any(fnmatch(str(inside), one) or fnmatch(inside.name, one) for one in patterns)


def unreadable(path: Path, inside: Path) -> UnusedFile | None:
    """Say why a file cannot be read whatever it holds; None where it may be."""
    if path.is_symlink() and not path.exists():
        may_be_scan = path.suffix.lower() not in NO_SCAN_ENDINGS
        return UnusedFile(inside, "a link that leads nowhere", is_lost=may_be_scan)
    if path.name.lower().endswith(ANALYZE):
        why = "Analyze does not know left from right: export it as NIfTI or DICOM"
        is_second = path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()
        return None if is_second else UnusedFile(inside, why, is_lost=True)
    return None
