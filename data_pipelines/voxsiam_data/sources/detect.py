"""Choose the reader that fits a folder, or say what is wrong with the folder."""

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import ModuleType

from voxsiam.errors import UserError, refusal
from voxsiam_data.labels.protocols import LabelProtocol, OrganChoice
from voxsiam_data.manifest import Manifest
from voxsiam_data.sources.case_files import folders_below
from voxsiam_data.sources.file_names import is_text, not_text, require_text
from voxsiam_data.sources.found import Found, joined
from voxsiam_data.sources.layouts import (
    amos22,
    btcv,
    case_folders,
    image_label_folders,
    label_maps,
    nnunet,
    pancreas_ct,
    totalsegmentator,
    word,
)

PUBLISHED = (pancreas_ct, btcv, amos22, word, totalsegmentator)
"""Data sets with a layout of their own; a folder that fits two of them is ambiguous."""

READERS = (*PUBLISHED, nnunet, image_label_folders, case_folders, label_maps)
"""The first that fits reads the folder."""

_DEPTH, _MOST_FOLDERS, _LISTED = 2, 500, 8


def read_source(path: Path, organs: OrganChoice | None = None) -> Manifest:
    """Find the cases of a data set, whichever known layout it has; all must be whole."""
    return find_source(path, organs=organs).manifest


def find_source(
    path: Path,
    protocol: LabelProtocol | None = None,
    organs: OrganChoice | None = None,
    *,
    keep_refused: bool = False,
) -> Found:
    """Find the cases of a data set and what is to be said of them.

    Args:
        protocol: Meaning of its label values, where its layout leaves that open.
        organs: Which of its structures become classes: where it is not said, all that its own
            dataset.json names, else the paper's organs.
        keep_refused: Go on without cases that lack a file: they are told in `Found.refused`.

    Raises:
        UserError: The folder is unreadable, in no known layout or in two, its reader refuses, or
            a case lacks a file and that was not expected.
    """
    try:
        root = path.resolve(strict=True)
        if not is_text(str(root)):
            raise not_text(root, "rename it")
        if not root.is_dir():
            raise refusal(path, "This is not a folder.", "give the folder of a data set")
        reader = choose_reader(root)
        if reader is None:
            raise _not_a_source(root)
        found = replace(reader.read(root, protocol, organs), is_published=reader in PUBLISHED)
        require_text(found.manifest)
        if found.refused and not keep_refused:
            raise joined(found.refused, len(found.manifest.cases))
        return found
    except (OSError, RuntimeError, ValueError) as error:
        raise refusal(
            path,
            f"The data set cannot be opened ({type(error).__name__}).",
            "check the path and its permissions",
        ) from error


def choose_reader(root: Path) -> ModuleType | None:
    """Find the module that reads this folder; refuse one that holds two published data sets."""
    fitting = [reader for reader in PUBLISHED if reader.recognise(root)]
    if len(fitting) > 1:
        names = " and ".join(reader.LAYOUT.partition(":")[0] for reader in fitting)
        raise refusal(
            root,
            f"The folder holds {names}.",
            "give the folder of one of them, or --paper for the paper's 90 cases",
        )
    others = READERS[len(PUBLISHED) :]
    return fitting[0] if fitting else next((r for r in others if r.recognise(root)), None)


def _not_a_source(root: Path) -> UserError:
    """Say that a folder is no data set: empty, the parent of some, or something else."""
    if not os.listdir(root):  # noqa: PTH208
        return refusal(root, "The folder is empty.", "give that of a data set")
    inside = _sources_below(root)
    if inside:
        listed = ", ".join(str(path.relative_to(root)) for path in inside[:_LISTED])
        more = f" and {len(inside) - _LISTED} more" if len(inside) > _LISTED else ""
        return refusal(
            root,
            f"This is not a data set itself, but holds {len(inside)}: {listed}{more}.",
            f"give one of them, for example {inside[0]}",
        )
    return refusal(
        root,
        "This is not a data set in a layout that is known here.",
        "known layouts are " + "; ".join(reader.LAYOUT for reader in READERS),
    )


def _sources_below(root: Path) -> list[Path]:
    """Find the folders in which a reader finds its layout, the outermost only."""
    found: list[Path] = []
    for folder in islice(folders_below(root, _DEPTH), 1, _MOST_FOLDERS):
        if any(folder.is_relative_to(other) for other in found):
            continue
        # Any folder of scans passes for one of label maps.
        if any(_fits(reader, folder) for reader in READERS if reader is not label_maps):
            found.append(folder)
    return found


def _fits(reader: ModuleType, folder: Path) -> bool:
    try:
        return reader.recognise(folder)
    except OSError:
        return False
