"""What lies in the folder of a data set and is not used: nothing is passed over without a word."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from voxsiam.volumes.unused_file import UnusedFile, unreadable, unused_below
from voxsiam.volumes.volume_file import ending_of, stem_of
from voxsiam_data.labels.mask_files import is_structure
from voxsiam_data.sources.found import Found

_WITHOUT_LABELS = {"imagests", "testing"}


def unused_files(root: Path, found: Found, ignored: Sequence[str] = ()) -> list[UnusedFile]:
    """List the scans and label maps below a folder that no case uses, by name.

    The reader of a published data set knows which of its files are of no use: there, files of the
    kinds that it uses are named, but nobody misses them.

    Args:
        ignored: Patterns of paths below the folder, or of names, that are meant to be left out.
    """
    cases = found.manifest.cases
    used = [path for case in cases for path in (*case.label.files, case.image) if path]
    used += [Path(case.error.where) for case in found.refused]
    listed = unused_below(root, used, _why, ignored)
    if not found.is_published:
        return listed
    known = {ending_of(path) for path in used}
    return [_of_published(one, root, known) for one in listed]


def _of_published(one: UnusedFile, root: Path, known: set[str]) -> UnusedFile:
    is_broken = unreadable(root / one.path, one.path) is not None
    is_foreign = ending_of(one.path) not in known | {""}  # DICOM has no ending of its own
    return replace(one, is_lost=one.is_lost and (is_broken or is_foreign))


def _why(inside: Path) -> UnusedFile:
    """Say why a volume is not used, and whether it may be missed."""
    if is_structure(stem_of(inside)):
        return UnusedFile(inside, "a mask of a single structure", is_lost=False)
    if any(part.lower() in _WITHOUT_LABELS for part in inside.parts[:-1]):
        return UnusedFile(inside, "a scan without labels", is_lost=False)
    return UnusedFile(inside, "no case of this layout uses it", is_lost=True)
