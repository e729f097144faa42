"""The files of a folder that holds a DICOM series: its slices, and what should have been one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.dicom_file import Content, content_of

_WHY: dict[Content, str] = {
    "empty": "empty",
    "zeros": "all zeros",
    "short": "cut short",
    "other": "no DICOM",
}
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
    broken: dict[Path, str]
    others: tuple[Path, ...]

    def require_whole(self) -> None:
        """Refuse a series of which a file holds no image: its organs would end there.

        Raises:
            UserError: There is one.
        """
        if not self.broken:
            return
        first = next(iter(self.broken))
        counts = {why: list(self.broken.values()).count(why) for why in self.broken.values()}
        told = ", ".join(f"{count} {why}" for why, count in counts.items())
        raise UserError(
            f"{len(self.broken)} of {len(self.broken) + len(self.dicom)} files of the series hold "
            f"no slice ({told}): {listed(self.broken)}.",
            where=str(first),
            fix="copy or export the whole series again",
        )


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
    contents: dict[Path, Content] = {path: content_of(path) for path in files}
    dicom = tuple(path for path, content in contents.items() if content == "dicom")
    patterns = {_pattern(path) for path in dicom}
    rest = [path for path in files if path not in dicom and not path.name.startswith(".")]
    broken = {
        path: _WHY[contents[path]]
        for path in rest
        if dicom and (_pattern(path) in patterns or contents[path] in {"empty", "zeros"})
    }
    return DicomFolder(dicom, broken, tuple(path for path in rest if path not in broken))


def listed(paths: Iterable[Path]) -> str:
    """Name the first files, and count the others."""
    names = [path.name for path in paths]
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def number_notes(numbers: Sequence[int], announced: int | None) -> tuple[str, ...]:
    """Say what the numbers of slices let doubt; positions decide whether any is missing.

    Args:
        numbers: InstanceNumber of each slice that has one.
        announced: ImagesInAcquisition, where the files agree on it.
    """
    notes: list[str] = []
    if numbers:
        missing = max(numbers) - min(numbers) + 1 - len(set(numbers))
        if missing > 0:
            notes.append(f"the slices' numbers skip {missing}: are slices missing at an end?")
        if min(numbers) > 1:
            notes.append(f"the slices' numbers begin at {min(numbers)}, not at 1")
    if announced is not None and announced > len(numbers) > 0:
        notes.append(f"the acquisition is said to have {announced} images, {len(numbers)} are here")
    return tuple(notes)


def _pattern(path: Path) -> str:
    """Return what names of one series have in common: their numbers left out."""
    return re.sub(r"[0-9]+", "#", path.name.lower().removesuffix(".gz"))
