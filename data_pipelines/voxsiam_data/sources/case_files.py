"""The volumes of a folder by the cases they belong to, and folders below a folder."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import is_volume, stem_of


def volumes_in(folder: Path) -> list[Path]:
    """List the volumes of a folder by name; hidden ones are left by other systems."""
    return sorted(
        path for path in folder.iterdir() if is_volume(path) and not path.name.startswith(".")
    )


def volumes_by_stem(folder: Path) -> dict[str, Path]:
    """Index the volumes of a folder by their names without ending, in small letters; read once.

    Raises:
        UserError: Two have one name.
    """
    found: dict[str, Path] = {}
    for path in volumes_in(folder) if folder.is_dir() else ():
        if path.is_file() and found.setdefault(stem_of(path).lower(), path) != path:
            raise twice(path, found[stem_of(path).lower()])
    return found


def find_volume(folder: Path, stem: str) -> Path | None:
    """Find a volume by its name without ending, in names of any case.

    Raises:
        UserError: Several are there.
    """
    try:
        entries = volumes_in(folder)
    except OSError:
        return None
    found = [p for p in entries if stem_of(p).lower() == stem.lower() and p.is_file()]
    if len(found) > 1:
        raise twice(found[1], found[0])
    return found[0] if found else None


def numbered_files(folder: Path, prefix: str, root: Path) -> dict[int, Path]:
    """List the volumes `<prefix><number>` of a folder by number, with or without leading zeros.

    Raises:
        UserError: A volume is named otherwise, two have one number, or a link leads out of
            the data set.
    """
    return by_number(require_inside(volumes_in(folder), root), prefix)


def by_number(paths: Iterable[Path], prefix: str) -> dict[int, Path]:
    """Sort paths named `<prefix><number>` by number.

    Raises:
        UserError: One is named otherwise, or two have one number.
    """
    found: dict[int, Path] = {}
    for path in paths:
        match = re.fullmatch(rf"{prefix}(\d{{1,4}})", stem_of(path), re.IGNORECASE | re.ASCII)
        if match is None:
            raise UserError(
                f"It is not named {prefix}#### like the others of this data set.",
                where=str(path),
                fix="keep only what belongs to the data set in this folder",
            )
        number = int(match[1])
        if number in found:
            raise twice(path, found[number])
        found[number] = path
    return dict(sorted(found.items()))


def require_inside(paths: Iterable[Path], root: Path) -> list[Path]:
    """Refuse links that lead out of the data set, or nowhere.

    Args:
        root: Its folder, without links.
    """
    listed = list(paths)
    for path in listed:
        if not path.resolve().is_relative_to(root):
            raise UserError(
                "A link leads out of the data set.",
                where=str(path),
                fix="put the files themselves there, or give the folder in which they lie",
            )
        if not path.exists():
            raise UserError("A link leads nowhere.", where=str(path), fix="remove or mend it")
    return listed


def folders_below(root: Path, depth: int) -> Iterator[Path]:
    """Go through a folder and those below it, level by level; hidden ones are passed over.

    Args:
        root: The first one.
        depth: Levels below it.
    """
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [path for folder in level for path in _subfolders(folder)]


def _subfolders(folder: Path) -> list[Path]:
    # Unlike a Path, an entry mostly knows without asking the disk: masks lie there by the thousand.
    with os.scandir(folder) as entries:
        return sorted(
            Path(each.path) for each in entries if not each.name.startswith(".") and each.is_dir()
        )


def twice(path: Path, other: Path) -> UserError:
    """Say that two files or folders claim the same case."""
    return UserError(
        f"It is the same case as {other.name}"
        + (f" in {other.parent}." if other.name == path.name else "."),
        where=str(path),
        fix="remove one of the two",
    )
