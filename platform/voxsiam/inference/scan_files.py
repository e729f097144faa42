"""Which scans there are to segment, and where the results go."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError, refusal
from voxsiam.volumes.dicom_file import is_dicom, series_of
from voxsiam.volumes.dicom_folder import look_into
from voxsiam.volumes.unused_file import (
    NO_SCAN_ENDINGS,
    UnusedFile,
    is_ignored,
    unreadable,
    visible_folders,
)
from voxsiam.volumes.volume_file import is_volume, stem_of

ENDINGS = (".nii.gz", ".nii")
"""Of results."""

_LABEL_NAMES = {"label", "labels", "seg", "segmentation", "segmentations", "mask", "masks"}
_CHANNEL = re.compile(r"_(\d{4})$")


@dataclass(frozen=True)
class ScanSource:
    """One scan to segment.

    Attributes:
        name: Of the result.
        path: A volume in one file, or the folder of a DICOM series.
        parts: Folders below it that the series is spread over; empty where it lies in one.
    """

    name: str
    path: Path
    parts: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ResultFiles:
    """Where the results of one scan go."""

    label: Path
    probabilities: Path


@dataclass(frozen=True)
class Inputs:
    """What an input holds."""

    scans: tuple[ScanSource, ...]
    unused: tuple[UnusedFile, ...] = ()


def find_inputs(source: Path, output: Path | None = None, ignored: Sequence[str] = ()) -> Inputs:
    """List the scans of an input, a file, a DICOM series or a folder of any depth; and the rest.

    A scan in a folder inside keeps its path there in its name: `a/ct.nii.gz` gives `a/ct`. The
    image of a case folder, `case/image.nii.gz`, is called after its folder, and so is a series.

    Args:
        output: Never an input itself, where it lies inside.
        ignored: Patterns of paths, or of names, that are meant to be left out.

    Raises:
        UserError: There is nothing to segment, or it cannot be told apart.
    """
    if source.is_file():
        return Inputs((ScanSource(_case(source), source),))
    if not source.is_dir():
        raise refusal(source, "The input does not exist.", "check the path of -i")
    scans: list[ScanSource] = []
    unused: list[UnusedFile] = []
    for folder, files in visible_folders(source, output):
        meant = [path for path in files if not is_ignored(path.relative_to(source), ignored)]
        found, rest = _in_folder(source, folder, meant)
        scans += found
        unused += rest
    scans = _joined(source, scans)
    _check_scans(source, scans)
    return Inputs(tuple(scans), tuple(unused))


def _joined(source: Path, scans: Sequence[ScanSource]) -> list[ScanSource]:
    """Join the folders that one DICOM series is spread over: each alone holds half an organ."""
    folders = [scan.path for scan in scans if scan.path.is_dir()]
    if len(folders) < 2:
        return list(scans)
    groups: list[tuple[set[str], list[Path]]] = []
    for folder in folders:
        series, together = _series_in(folder), [folder]
        for group in [group for group in groups if group[0] & series]:
            groups.remove(group)
            series, together = series | group[0], [*group[1], *together]
        groups.append((series, together))
    spread = [sorted(together) for _, together in groups if len(together) > 1]
    kept = [scan for scan in scans if not any(scan.path in together for together in spread)]
    return [*kept, *(_spread_scan(source, together) for together in spread)]


def _series_in(folder: Path) -> set[str]:
    try:
        return {series_of(path) for path in look_into(folder).dicom} - {""}
    except (UserError, OSError):
        return set()  # reading it will tell


def _spread_scan(source: Path, together: Sequence[Path]) -> ScanSource:
    parent = Path(os.path.commonpath(together))
    names = [str(folder.relative_to(parent)).replace(os.sep, "-") for folder in together]
    inside = parent.relative_to(source) / "+".join("here" if n == "." else n for n in names)
    return ScanSource(str(inside), parent, tuple(together))


def _in_folder(
    source: Path, folder: Path, files: Sequence[Path]
) -> tuple[list[ScanSource], list[UnusedFile]]:
    """Sort the files of one folder into scans and the rest."""
    volumes = [path for path in files if is_volume(path)]
    inside = folder.relative_to(source)
    rest = [one for path in files if (one := unreadable(path, path.relative_to(source)))]
    if any(path.suffix.lower() not in NO_SCAN_ENDINGS and is_dicom(path) for path in files):
        if folder == source and volumes:
            raise refusal(
                source,
                "It holds both DICOM slices and NIfTI files.",
                "put the DICOM series into a folder of its own",
            )
        name = source.resolve().name if folder == source else str(inside)
        why = "it lies in the folder of a DICOM series"
        rest += [UnusedFile(path.relative_to(source), why, is_lost=True) for path in volumes]
        return [ScanSource(name, folder)], rest
    scans = [path for path in volumes if path.exists() and not _is_label(path.relative_to(source))]
    labels = [path for path in volumes if path.exists() and path not in scans]
    why = "a label map or mask, not a scan"
    rest += [UnusedFile(path.relative_to(source), why, is_lost=False) for path in labels]
    images = [path for path in scans if stem_of(path).lower() == "image" and folder != source]
    if len(images) == 1:
        why = f"it lies beside {images[0].name}"
        others = [path for path in scans if path not in images]
        rest += [UnusedFile(path.relative_to(source), why, is_lost=True) for path in others]
        return [ScanSource(str(inside), images[0])], rest
    return [ScanSource(str(inside / _case(path)), path) for path in scans], rest


def _is_label(inside: Path) -> bool:
    """Tell by the names of a file and its folders whether it holds labels."""
    folders = [part.lower() for part in inside.parts[:-1]]
    in_labels = any(part.startswith("labels") or part in _LABEL_NAMES for part in folders)
    return in_labels or stem_of(inside).lower() in _LABEL_NAMES


def result_files(scans: Sequence[ScanSource], source: Path, output: Path) -> list[ResultFiles]:
    """Choose the files to write: OUT itself for one scan, OUT/NAME.nii.gz for a folder.

    An OUT that does not fit the number of scans is refused, and one that overwrites an input.
    """
    if output.name.endswith(ENDINGS):
        if len(scans) > 1:
            raise refusal(
                output,
                f"The input holds {len(scans)} scans, the output is one file.",
                "give a folder as -o",
            )
        ending = next(ending for ending in ENDINGS if output.name.endswith(ending))
        name = output.name.removesuffix(ending)
        results = [ResultFiles(output, output.with_name(f"{name}_probabilities{ending}"))]
    else:
        if output.resolve() == source.resolve():
            raise refusal(output, "The results would lie among the inputs.", "choose another -o")
        probabilities = output / "probabilities"
        results = [
            ResultFiles(output / f"{s.name}.nii.gz", probabilities / f"{s.name}.nii.gz")
            for s in scans
        ]
    inputs = {scan.path.resolve() for scan in scans}
    for path in (path for result in results for path in (result.label, result.probabilities)):
        if path.resolve() in inputs:
            raise refusal(path, "An input would be overwritten.", "choose another -o")
    return results


def describe_labels(folder: Path, organs: Sequence[str]) -> None:
    """Write beside label maps what their values mean, as nnU-Net does; what is there stays."""
    path = folder / "dataset.json"
    if path.exists():
        return
    labels = {"background": 0} | {organ: value for value, organ in enumerate(organs, start=1)}
    write_json(path, {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"})


def make_folder(folder: Path) -> None:
    """Create a folder for results, where it is missing, and see that it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise refusal(
            folder, f"The folder cannot be written ({error.strerror}).", "choose another folder"
        ) from None


def _case(path: Path) -> str:
    return stem_of(path).removesuffix("_0000")


def _check_scans(source: Path, scans: Sequence[ScanSource]) -> None:
    if not scans:
        raise refusal(
            source,
            "It holds no scan.",
            "give a .nii.gz file, a DICOM series, or a folder with case.nii.gz, "
            "case_0000.nii.gz, case/image.nii.gz or folders of DICOM series",
        )
    names = Counter(scan.name for scan in scans)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise refusal(
            source, f"Two inputs would give the result '{twice[0]}'.", "rename one of them"
        )
    channels = [
        name for name in names if (m := _CHANNEL.search(name)) and name[: m.start()] in names
    ]
    if channels:
        raise refusal(
            source,
            f"'{channels[0]}' is a second channel: the networks take CT alone.",
            "leave only the files _0000 of the CT",
        )
