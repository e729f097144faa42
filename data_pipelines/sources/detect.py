"""Choose the reader that fits a folder."""

from pathlib import Path

from data_pipelines.manifest import Manifest
from data_pipelines.sources import case_folders, nnunet
from voxsiam.errors import UserError

READERS = (nnunet, case_folders)


def read_source(path: Path) -> Manifest:
    """Find the cases of a data set, whichever known layout it has."""
    try:
        root = path.resolve(strict=True)
        reader = next((r for r in READERS if root.is_dir() and r.recognise(root)), None)
        if reader is not None:
            return reader.read(root)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The data set cannot be opened ({type(error).__name__}).",
            where=str(path),
            fix="check the path and its permissions",
        ) from error
    raise UserError(
        "This is not a data set in a layout that is known here.",
        where=str(path),
        fix="known layouts are " + "; ".join(reader.LAYOUT for reader in READERS),
    )
