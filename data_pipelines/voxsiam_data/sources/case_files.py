"""The volumes of a folder by the cases they belong to, and folders below a folder."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from voxsiam.errors import UserError, refusal
from voxsiam.volumes.volume_file import is_volume, stem_of

Key = TypeVar("Key", str, int)


def volumes_in(folder: Path) -> list[Path]:
    """List the volumes of a folder by name; hidden ones are left by other systems."""
    return sorted(
        path for path in folder.iterdir() if is_volume(path) and not path.name.startswith(".")
    )


def index_by(key: Callable[[Path], Key], paths: Iterable[Path]) -> dict[Key, Path]:
    """Index paths by what tells their cases apart; refuse two of one case."""
    found: dict[Key, Path] = {}
    for path in paths:
        other = found.setdefault(key(path), path)
        if other is not path:
            raise twice(path, other)
    return found


def find_volume(folder: Path, stem: str) -> Path | None:
    """Find a volume by its name without ending, in names of any case; refuse several."""
    try:
        entries = volumes_in(folder)
    except OSError:
        return None
    found = [p for p in entries if stem_of(p).lower() == stem.lower() and p.is_file()]
    if len(found) > 1:
        raise twice(found[1], found[0])
    return found[0] if found else None


def numbered_files(root: Path, prefix: str, *folders: Path) -> dict[int, Path]:
    """List the volumes `<prefix><number>` of folders by number, with or without leading zeros.

    A folder that is not there holds none. Other volumes are refused, and two of one number, and
    links that lead out of the data set at `root`.
    """
    there = [path for folder in folders if folder.is_dir() for path in volumes_in(folder)]
    return by_number(require_inside(there, root), prefix)


def by_number(paths: Iterable[Path], prefix: str) -> dict[int, Path]:
    """Sort paths named `<prefix><number>` by number; refuse other names, and two of one number."""
    name = re.compile(rf"{prefix}(\d{{1,4}})", re.IGNORECASE | re.ASCII)
    found = index_by(lambda path: int(match_name(path, name, f"{prefix}####")[1]), paths)
    return dict(sorted(found.items()))


def match_name(path: Path, name: re.Pattern[str], pattern: str) -> re.Match[str]:
    """Match a file's name without its ending, or refuse the file: it is no part of the data set.

    Args:
        pattern: The name for people, with # for a digit.
    """
    match = name.fullmatch(stem_of(path))
    if match is None:
        raise refusal(
            path,
            f"It is not named {pattern} like the others of this data set.",
            "keep only what belongs to the data set in this folder",
        )
    return match


def require_inside(paths: Iterable[Path], root: Path) -> list[Path]:
    """Refuse links that lead nowhere, or out of the data set whose resolved folder is `root`."""
    listed = list(paths)
    for path in listed:
        if not path.resolve().is_relative_to(root):
            raise refusal(
                path,
                "A link leads out of the data set.",
                "put the files themselves there, or give the folder in which they lie",
            )
        if not path.exists():
            raise refusal(path, "A link leads nowhere.", "remove or mend it")
    return listed


def folders_below(root: Path, depth: int) -> Iterator[Path]:
    """Go through a folder and those below it, level by level down to a depth."""
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [path for folder in level for path in subfolders(folder)]


def subfolders(folder: Path) -> list[Path]:
    """List the folders in a folder by name; hidden ones are passed over."""
    # Unlike a Path, an entry mostly knows without asking the disk: masks lie there by the thousand.
    with os.scandir(folder) as entries:
        return sorted(
            Path(each.path) for each in entries if not each.name.startswith(".") and each.is_dir()
        )


def twice(path: Path, other: Path) -> UserError:
    """Say that two files or folders claim the same case."""
    return refusal(
        path,
        f"It is the same case as {other.name}"
        + (f" in {other.parent}." if other.name == path.name else "."),
        "remove one of the two",
    )
