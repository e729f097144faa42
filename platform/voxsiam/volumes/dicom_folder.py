"""The files of a folder that holds a DICOM series: its slices, and what should have been one."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import refusal
from voxsiam.volumes.dicom_file import content_of

_LISTED = 3


@dataclass(frozen=True)
class DicomFolder:
    """What lies in a folder; folders inside it are not looked at.

    Attributes:
        dicom: Files that begin as DICOM does.
        broken: Files without it that are named like those, or are nothing but empty; and why.
        others: All else: notes, pictures. Hidden files are not among them.
    """

    dicom: tuple[Path, ...]
    broken: Mapping[Path, str]
    others: tuple[Path, ...]

    def require_whole(self) -> None:
        """Refuse a series of which a file holds no image: its organs would end there."""
        if not self.broken:
            return
        whys = Counter(self.broken.values())
        told = ", ".join(f"{count} {why}" for why, count in whys.items())
        of_all = f"{len(self.broken)} of {len(self.broken) + len(self.dicom)} files of the series"
        what = f"{of_all} hold no slice ({told}): {listed(self.broken)}."
        raise refusal(next(iter(self.broken)), what, "copy or export the whole series again")


def look_into_all(folders: Iterable[Path]) -> DicomFolder:
    """Sort the files of the folders that one series is spread over."""
    each = [look_into(folder) for folder in folders]
    return DicomFolder(
        tuple(path for one in each for path in one.dicom),
        {path: why for one in each for path, why in one.broken.items()},
        tuple(path for one in each for path in one.others),
    )


def look_into(folder: Path) -> DicomFolder:
    """Sort the files of a folder, by name.

    Raises:
        OSError: The folder cannot be read.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    contents = {path: content_of(path) for path in files}
    dicom = tuple(path for path, content in contents.items() if content == "DICOM")
    patterns = {_pattern(path) for path in dicom}
    rest = [
        path
        for path, content in contents.items()
        if content != "DICOM" and not path.name.startswith(".")
    ]
    broken = {
        path: contents[path]
        for path in rest
        if dicom and (_pattern(path) in patterns or contents[path] in {"empty", "all zeros"})
    }
    return DicomFolder(dicom, broken, tuple(path for path in rest if path not in broken))


def listed(paths: Iterable[Path]) -> str:
    """Name the first files, and count the others."""
    names = [path.name for path in paths]
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _pattern(path: Path) -> str:
    """Return what names of one series have in common: their numbers left out."""
    return re.sub(r"[0-9]+", "#", path.name.lower().removesuffix(".gz"))
