"""What to say of a folder that is not the one that was meant."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np

from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import read_volume
from voxsiam_data.sources.case_files import folders_below

_DEPTH, _MOST_FOLDERS, _LISTED = 2, 500, 8
_CT_BELOW, _CT_ABOVE = -100, 1000
"""No protocol has such values; a CT always has, in HU or with 1024 added."""

_MIN_FRACTIONS = 0.01


def not_a_source(root: Path, readers: Iterable[ModuleType]) -> UserError:
    """Say that a folder is no data set: empty, the parent of some, or something else."""
    if not os.listdir(root):  # noqa: PTH208
        return UserError("The folder is empty.", where=str(root), fix="give that of a data set")
    readers = tuple(readers)
    # Any folder of scans passes for one of label maps.
    inside = list(_sources_below(root, readers[:-1]))
    if inside:
        listed = ", ".join(str(path.relative_to(root)) for path in inside[:_LISTED])
        more = f" and {len(inside) - _LISTED} more" if len(inside) > _LISTED else ""
        return UserError(
            f"This is not a data set itself, but holds {len(inside)}: {listed}{more}.",
            where=str(root),
            fix=f"give one of them, for example {inside[0]}",
        )
    return UserError(
        "This is not a data set in a layout that is known here.",
        where=str(root),
        fix="known layouts are " + "; ".join(reader.LAYOUT for reader in readers),
    )


def require_label_maps(files: list[Path], root: Path) -> None:
    """Refuse a folder whose first or last file is a CT: a folder of scans, or a single case.

    Raises:
        UserError: It is.
    """
    scans = [path for path in {files[0], files[-1]} if _looks_like_ct(path)]
    if not scans:
        return
    raise UserError(
        "These look like CTs, not label maps: "
        + ", ".join(sorted(path.name for path in scans)) + ".",
        where=str(root),
        fix="give the folder that holds imagesTr and labelsTr, or the one that holds the folders "
        f"of the cases; here perhaps {root.parent}",
    )  # fmt: skip


def _looks_like_ct(path: Path) -> bool:
    try:
        array = np.asarray(read_volume(path).array)
    except UserError:
        return False  # damaged: its check says so
    if array.min() < _CT_BELOW or array.max() > _CT_ABOVE:
        return True
    return array.dtype.kind == "f" and bool(np.mean(array != np.round(array)) > _MIN_FRACTIONS)


def _sources_below(root: Path, readers: tuple[ModuleType, ...]) -> Iterator[Path]:
    """Find the folders in which a reader finds its layout, the outermost only."""
    found: list[Path] = []
    for folder in islice(folders_below(root, _DEPTH), 1, _MOST_FOLDERS):
        if any(folder.is_relative_to(other) for other in found):
            continue
        if any(_fits(reader, folder) for reader in readers):
            found.append(folder)
            yield folder


def _fits(reader: ModuleType, folder: Path) -> bool:
    try:
        return reader.recognise(folder)
    except OSError:
        return False
