"""Names of files and folders that are not text: bytes that another system's encoding left.

They can neither stand in a record nor be told to a process.
"""

from pathlib import Path

from voxsiam.errors import UserError
from voxsiam_data.manifest import Manifest


def require_text(manifest: Manifest) -> None:
    """Refuse a data set in which a file that would be read has a name that is not UTF-8."""
    for case in manifest.cases:
        for path in (case.image, *case.label.files):
            if path is not None and not is_text(str(path)):
                raise not_text(path, "rename it")


def is_text(name: str) -> bool:
    """Tell whether the bytes of a name are UTF-8; Python keeps others as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def not_text(path: Path, fix: str) -> UserError:
    """Say that a path is unusable, naming the outermost part of it that is not UTF-8."""
    parts = (*reversed(path.parents), path)
    first = next((part for part in parts if not is_text(part.name)), path)
    kind = "folder" if first.is_dir() else "file"
    return UserError(f"The name of the {kind} is not UTF-8 text.", where=repr(str(first)), fix=fix)
