"""What lies in the folder of a data set and is not used: nothing is passed over without a word."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from voxsiam.volumes.dicom_file import is_dicom
from voxsiam.volumes.unused_file import (
    NO_SCAN_ENDINGS,
    UnusedFile,
    is_ignored,
    unreadable,
    visible_folders,
)
from voxsiam.volumes.volume_file import is_volume, stem_of
from voxsiam_data.labels.mask_files import is_structure
from voxsiam_data.sources.found import Found

_WITHOUT_LABELS = {"imagests", "testing"}


def unused_files(root: Path, found: Found, ignored: Sequence[str] = ()) -> list[UnusedFile]:
    """List the scans and label maps below a folder that no case uses, by name.

    Args:
        root: Folder of the data set.
        found: What its reader took in.
        ignored: Patterns of paths below the folder, or of names, that are meant to be left out.
    """
    root = root.resolve()
    used = {path.resolve() for path in _used(found)}
    listed: list[UnusedFile] = []
    for path in (path for _, files in visible_folders(root) for path in files):
        inside = path.relative_to(root)
        if path.resolve() in used or path.parent.resolve() in used or is_ignored(inside, ignored):
            continue
        one = unreadable(path, inside) or _why(path, inside)
        if one is not None:
            listed.append(replace(one, is_lost=one.is_lost and not found.is_published))
    return sorted(listed, key=lambda one: str(one.path))


def _used(found: Found) -> Iterator[Path]:
    for case in found.manifest.cases:
        yield from case.label.files
        if case.image is not None:
            yield case.image
    for case in found.refused:
        yield Path(case.error.where)


def _why(path: Path, inside: Path) -> UnusedFile | None:
    """Say why a file is not used, and whether it may be missed; None for what is no scan."""
    if is_volume(path):
        if is_structure(stem_of(path)):
            return UnusedFile(inside, "a mask of a single structure", is_lost=False)
        if any(part.lower() in _WITHOUT_LABELS for part in inside.parts[:-1]):
            return UnusedFile(inside, "a scan without labels", is_lost=False)
        return UnusedFile(inside, "no case of this layout uses it", is_lost=True)
    if path.suffix.lower() not in NO_SCAN_ENDINGS and is_dicom(path):
        return UnusedFile(inside, "a DICOM file that no case uses", is_lost=True)
    return None
