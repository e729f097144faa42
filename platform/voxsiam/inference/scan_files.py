"""Which scans there are to segment, and where the results go."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.types import ORGANS
from voxsiam.volumes.dicom import holds_dicom

ENDINGS = (".nii.gz", ".nii")
_CHANNEL = re.compile(r"_(\d{4})$")


@dataclass(frozen=True)
class ScanSource:
    """One scan to segment.

    Attributes:
        name: Of the result.
        path: A NIfTI file, or the folder of a DICOM series.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class ResultFiles:
    """Where the results of one scan go."""

    label: Path
    probabilities: Path


def find_scans(source: Path) -> list[ScanSource]:
    """List the scans of an input: a NIfTI file, a DICOM series folder, or a folder of cases.

    A folder of cases holds `case.nii.gz` or nnU-Net's `case_0000.nii.gz`, or folders with
    `image.nii.gz` or a DICOM series. Hidden files, and folders without any of these, are passed
    over.

    Raises:
        UserError: There is nothing to segment, or it cannot be told apart.
    """
    if source.is_file():
        return [ScanSource(_stem(source), source)]
    if not source.is_dir():
        raise UserError("The input does not exist.", where=str(source), fix="check the path of -i")
    files = [path for path in _visible(source) if path.is_file() and path.name.endswith(ENDINGS)]
    if holds_dicom(source):
        if files:
            raise UserError(
                "It holds both DICOM slices and NIfTI files.",
                where=str(source),
                fix="put the DICOM series into a folder of its own",
            )
        return [ScanSource(source.resolve().name, source)]
    scans = [ScanSource(_stem(path), path) for path in files]
    scans += [found for path in _visible(source) if path.is_dir() for found in _inside(path)]
    _check_scans(source, scans)
    return scans


def result_files(scans: Sequence[ScanSource], source: Path, output: Path) -> list[ResultFiles]:
    """Choose the files to write: OUT itself for one scan, OUT/NAME.nii.gz for a folder.

    Raises:
        UserError: OUT does not fit the number of scans, or an input would be overwritten.
    """
    if output.name.endswith(ENDINGS):
        if len(scans) > 1:
            raise UserError(
                f"The input holds {len(scans)} scans, the output is one file.",
                where=str(output),
                fix="give a folder as -o",
            )
        ending = next(ending for ending in ENDINGS if output.name.endswith(ending))
        name = output.name.removesuffix(ending)
        results = [ResultFiles(output, output.with_name(f"{name}_probabilities{ending}"))]
    else:
        if output.resolve() == source.resolve():
            raise UserError(
                "The results would lie among the inputs.",
                where=str(output),
                fix="choose another -o",
            )
        probabilities = output / "probabilities"
        results = [
            ResultFiles(output / f"{s.name}.nii.gz", probabilities / f"{s.name}.nii.gz")
            for s in scans
        ]
    inputs = {scan.path.resolve() for scan in scans}
    for path in (path for result in results for path in (result.label, result.probabilities)):
        if path.resolve() in inputs:
            raise UserError(
                "An input would be overwritten.", where=str(path), fix="choose another -o"
            )
    return results


def describe_labels(folder: Path) -> None:
    """Write beside label maps what their values mean, as nnU-Net does; what is there stays."""
    path = folder / "dataset.json"
    if path.exists():
        return
    labels = {"background": 0} | {organ: value for value, organ in enumerate(ORGANS, start=1)}
    write_json(path, {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"})


def make_folder(folder: Path) -> None:
    """Create a folder for results, where it is missing, and see that it can be written.

    Raises:
        UserError: It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"The folder cannot be written ({error.strerror}).",
            where=str(folder),
            fix="choose another folder",
        ) from None


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _inside(folder: Path) -> list[ScanSource]:
    images = [
        folder / f"image{ending}" for ending in ENDINGS if (folder / f"image{ending}").is_file()
    ]
    if images:
        return [ScanSource(folder.name, images[0])]
    return [ScanSource(folder.name, folder)] if holds_dicom(folder) else []


def _stem(path: Path) -> str:
    name = path.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name.removesuffix("_0000")


def _check_scans(source: Path, scans: Sequence[ScanSource]) -> None:
    if not scans:
        folders = [name for name in ("imagesTs", "imagesTr") if (source / name).is_dir()]
        raise UserError(
            "It holds no scan.",
            where=str(source),
            fix=f"give -i {source / folders[0]}"
            if folders
            else "give a .nii.gz file, a DICOM series, or a folder with case.nii.gz, "
            "case_0000.nii.gz, case/image.nii.gz or folders of DICOM series",
        )
    names = Counter(scan.name for scan in scans)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UserError(
            f"Two inputs would give the result '{twice[0]}'.",
            where=str(source),
            fix="rename one of them",
        )
    channels = [
        name for name in names if (m := _CHANNEL.search(name)) and name[: m.start()] in names
    ]
    if channels:
        raise UserError(
            f"'{channels[0]}' is a second channel: the networks take CT alone.",
            where=str(source),
            fix="leave only the files _0000 of the CT",
        )
