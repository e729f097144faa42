"""What lies in the folder of a data set and is not used: nothing is passed over without a word."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from voxsiam.volumes.dicom_file import content_of
from voxsiam.volumes.volume_file import ANALYZE, is_volume, stem_of
from voxsiam_data.labels.mask_files import is_structure
from voxsiam_data.sources.detect import PUBLISHED, choose_reader
from voxsiam_data.sources.found import Found

MOST_ENTRIES = 500_000
_DICOM_ENDINGS = ("", ".dcm", ".ima", ".gz")
_WITHOUT_LABELS = {"imagests", "testing"}


@dataclass(frozen=True)
class Unused:
    """A file that no case uses.

    Attributes:
        path: Below the data set's folder.
        why: The reason, for people.
        is_lost: It looks like a scan or a label map that somebody may miss.
    """

    path: Path
    why: str
    is_lost: bool


def unused_files(root: Path, found: Found, ignored: Sequence[str] = ()) -> list[Unused]:
    """List the scans and label maps below a folder that no case uses, by name.

    Args:
        root: Folder of the data set.
        found: What its reader took in.
        ignored: Patterns of paths below the folder, or of names, that are meant to be left out.
    """
    root = root.resolve()
    # The readers of published data sets leave out what is known to be unusable, and say so.
    is_known = choose_reader(root) in PUBLISHED
    used = {path.resolve() for path in _used(found)}
    listed: list[Unused] = []
    for path in islice(_entries(root), MOST_ENTRIES):
        inside = path.relative_to(root)
        if path.resolve() in used or path.parent.resolve() in used or _is_ignored(inside, ignored):
            continue
        why = _why(path, inside)
        if why is not None:
            listed.append(Unused(inside, why[0], why[1] and not is_known))
    return sorted(listed, key=lambda one: str(one.path))


def _used(found: Found) -> Iterator[Path]:
    for case in found.manifest.cases:
        yield from case.label.files
        if case.image is not None:
            yield case.image
    for case in found.refused:
        yield Path(case.error.where)


def _entries(root: Path) -> Iterator[Path]:
    """Walk over files and dead links; hidden ones are left by other systems."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _is_ignored(inside: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch(str(inside), one) or fnmatch(inside.name, one) for one in patterns)


def _why(path: Path, inside: Path) -> tuple[str, bool] | None:
    """Say why a file is not used, and whether it may be missed; None for what is no scan."""
    if path.is_symlink() and not path.exists():
        return ("a link that leads nowhere", True) if is_volume(path) else None
    if path.name.lower().endswith(ANALYZE):
        is_second = path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()
        return None if is_second else ("Analyze does not know left from right", True)
    if is_volume(path):
        if is_structure(stem_of(path)):
            return "a mask of another structure", False
        if any(part.lower() in _WITHOUT_LABELS for part in inside.parts[:-1]):
            return "a scan without labels", False
        return "no case of this layout uses it", True
    if path.suffix.lower() in _DICOM_ENDINGS and content_of(path) == "dicom":
        return "a DICOM file that no case uses", True
    return None
