"""Choose the reader that fits a folder."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from voxsiam.errors import UserError
from voxsiam_data.labels.protocols import LabelProtocol
from voxsiam_data.manifest import Manifest
from voxsiam_data.sources.file_names import is_text, not_text, require_text
from voxsiam_data.sources.found import Found
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
from voxsiam_data.sources.wrong_folder import not_a_source

PUBLISHED = (pancreas_ct, btcv, amos22, word, totalsegmentator)
"""Data sets with a layout of their own; a folder that fits two of them is ambiguous."""

READERS = (*PUBLISHED, nnunet, image_label_folders, case_folders, label_maps)
"""The first that fits reads the folder."""


def read_source(path: Path) -> Manifest:
    """Find the cases of a data set, whichever known layout it has; all must be whole."""
    return find_source(path).manifest


def find_source(
    path: Path, protocol: LabelProtocol | None = None, *, keep_refused: bool = False
) -> Found:
    """Find the cases of a data set and what is to be said of them.

    Args:
        protocol: Meaning of its label values, where its layout leaves that open.
        keep_refused: Go on without cases that lack a file: they are told in `Found.refused`.

    Raises:
        UserError: The folder is unreadable, in no known layout or in two, its reader refuses, or
            a case lacks a file and that was not expected.
    """
    try:
        root = path.resolve(strict=True)
        if not is_text(str(root)):
            raise not_text(root, "rename it")
        reader = choose_reader(root) if root.is_dir() else None
        if reader is not None:
            found = replace(reader.read(root, protocol), is_published=reader in PUBLISHED)
            require_text(found.manifest)
            return found if keep_refused else found.require_all()
        if root.is_dir():
            raise not_a_source(root, READERS)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The data set cannot be opened ({type(error).__name__}).",
            where=str(path),
            fix="check the path and its permissions",
        ) from error
    raise UserError("This is not a folder.", where=str(path), fix="give the folder of a data set")


def choose_reader(root: Path) -> ModuleType | None:
    """Find the module that reads this folder.

    Raises:
        UserError: It holds two of the published data sets.
    """
    fitting = [reader for reader in PUBLISHED if reader.recognise(root)]
    if len(fitting) > 1:
        names = " and ".join(reader.LAYOUT.partition(":")[0] for reader in fitting)
        raise UserError(
            f"The folder holds {names}.",
            where=str(root),
            fix="give the folder of one of them, or --paper for the paper's 90 cases",
        )
    others = (reader for reader in READERS if reader not in PUBLISHED)
    return fitting[0] if fitting else next((r for r in others if r.recognise(root)), None)
