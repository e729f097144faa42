"""The layout of nnU-Net v2 and of the Medical Segmentation Decathlon.

`dataset.json`, `imagesTr/<case>_0000.nii.gz` (Decathlon: `imagesTr/<case>.nii.gz`) and
`labelsTr/<case>.nii.gz`.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import get_args

from voxsiam.errors import refusal
from voxsiam.volumes.volume_file import ENDINGS, stem_of
from voxsiam_data.labels.dataset_json import label_notes, read_protocol
from voxsiam_data.labels.protocols import LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case, DataKind
from voxsiam_data.sources.case_files import index_by, volumes_in
from voxsiam_data.sources.found import Found, RefusedCase, collect
from voxsiam_data.text_files import read_json_object

LAYOUT = "nnU-Net v2 or Decathlon: dataset.json, imagesTr/, labelsTr/"

_Listed = tuple[Path | None, Path | None]
"""Scan and label map of a case that dataset.json lists; they need not be there."""


def recognise(root: Path) -> bool:
    """Tell whether `root` has the files that name this layout."""
    return (root / "dataset.json").is_file() and (root / "imagesTr").is_dir()


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the training cases; labels of organs that are not chosen become background.

    Args:
        protocol: Meaning of the values, instead of what dataset.json says.
        organs: The classes; all that dataset.json names where they are not said.
    """
    path = root / "dataset.json"
    description = read_json_object(path)
    named = protocol or read_protocol(path)
    meaning = named.meaning(organs, path)
    notes = () if protocol else label_notes(path, named, meaning.organs)
    ending = _file_ending(path, description.get("file_ending"))
    label_files = volumes_in(root / "labelsTr") if (root / "labelsTr").is_dir() else []
    in_labels = index_by(lambda p: stem_of(p).lower(), (p for p in label_files if p.is_file()))
    images = _images(root, ending, in_labels)
    listed = _listed(path, description)
    labels = _labels(images, listed, in_labels)
    refused = _absent(root, listed, images, in_labels)
    meant = (file for file in label_files if file.name.lower().endswith(ending))
    refused |= _incomplete(root / "labelsTr", images, labels, meant)
    _check_count(path, description.get("numTraining"), images, refused, ending)
    cases = [
        Case(case_id, case_id, image, meaning.map(labels[case_id]), root.name)
        for case_id, image in images.items()
        if case_id not in refused
    ]
    if any(label.parent != root / "labelsTr" for label in labels.values()):
        notes = (*notes, "the label maps are those that dataset.json lists, not all in labelsTr")
    kind = _kind(path, description.get("kind", "real"))
    # Where there is no image at all, that is what to say.
    found = (*cases, *(refused[id_] for id_ in sorted(refused))) if images else ()
    return collect(root, found, notes, kind=kind, boxes=True)


def _kind(path: Path, kind: object) -> DataKind:
    """Read our own entry `kind`: generated data sets must not pass for scans."""
    for known in get_args(DataKind):
        if kind == known:
            return known
    raise refusal(path, f"Its kind is {str(kind)[:40]!r}.", f"use one of {get_args(DataKind)}")


def _listed(path: Path, description: Mapping[str, object]) -> list[_Listed]:
    """Read the cases that it lists; refuse names of files that are no path inside the data set."""
    if "dataset" in description:
        raise refusal(
            path, "It lists files of its own under 'dataset'.", "use imagesTr and labelsTr"
        )
    training = description.get("training", [])
    if not isinstance(training, list):
        raise refusal(path, "'training' is not a list.", "mend or remove it")
    found: list[_Listed] = []
    for entry in training:
        named = entry if isinstance(entry, Mapping) else {"image": entry}
        paths = {name: _inside(path, value) for name, value in named.items()}
        found.append((paths.get("image"), paths.get("label")))
    return found


def _file_ending(path: Path, stated: object) -> str | tuple[str, ...]:
    """Read which files are cases; all that can be read where it is not said."""
    if stated is None:
        return ENDINGS
    if not isinstance(stated, str) or not stated.lower().endswith(ENDINGS):
        raise refusal(
            path,
            f"Its file_ending is {str(stated)[:20]!r}, which is not read.",
            f"use one of {', '.join(ENDINGS)}",
        )
    return stated.lower()


def _inside(path: Path, name: object) -> Path:
    if not isinstance(name, str) or "\0" in name:
        raise refusal(path, "'training' holds something that is not a path.", "mend or remove it")
    listed = PurePosixPath(name)
    if listed.is_absolute() or ".." in listed.parts:
        raise refusal(
            path,
            f"The path {name[:80]!r} leads out of the data set.",
            "use paths inside the folder of dataset.json",
        )
    return path.parent / listed


def _check_count(
    path: Path,
    stated: object,
    images: Mapping[str, Path],
    refused: Mapping[str, RefusedCase],
    ending: str | tuple[str, ...],
) -> None:
    if stated is None or stated in {len(images), len(images.keys() | refused.keys())}:
        return
    files = volumes_in(path.parent / "imagesTr")
    others = [each.name for each in files if not each.name.lower().endswith(ending)]
    more = (
        f" of file_ending {ending}; {len(others)} end otherwise, as {others[0]}" if others else ""
    )
    raise refusal(
        path,
        f"numTraining is {str(stated)[:20]}, but imagesTr holds {len(images)} cases{more}.",
        "complete the data set, or correct the number",
    )


def _images(
    root: Path, ending: str | tuple[str, ...], in_labels: Mapping[str, Path]
) -> dict[str, Path]:
    result: dict[str, Path] = {}
    files = volumes_in(root / "imagesTr")
    meant = [file for file in files if file.name.lower().endswith(ending)]
    for file in (*meant, *(file for file in files if file not in meant)):
        case_id, channel = _case_and_channel(file, in_labels)
        if case_id in result or (channel != "0000" and file in meant):
            raise refusal(file, "The case has more than one image.", "keep the CT alone")
        if file in meant:
            result[case_id] = file
    return result


def _case_and_channel(file: Path, in_labels: Mapping[str, Path]) -> tuple[str, str]:
    stem = stem_of(file)
    case_id, _, channel = stem.rpartition("_")
    # "amos_0001" may be a case of that name: its label map tells.
    is_channel = case_id and len(channel) == 4 and channel.isdecimal()
    if is_channel and stem.lower() not in in_labels:
        return case_id, channel
    return stem, "0000"


def _labels(
    images: Iterable[str], listed: Iterable[_Listed], in_labels: Mapping[str, Path]
) -> dict[str, Path]:
    """Find the label map of each case: the listed one, else that of its name in labelsTr."""
    named = {
        _case_and_channel(image, in_labels)[0]: label
        for image, label in listed
        if image and label and label.is_file()
    }
    found = {case_id: named.get(case_id) or in_labels.get(case_id.lower()) for case_id in images}
    return {case_id: label for case_id, label in found.items() if label is not None}


def _incomplete(
    folder: Path, images: Collection[str], labels: Mapping[str, Path], files: Iterable[Path]
) -> dict[str, RefusedCase]:
    """Find the images without a label map, and the label maps of the folder without an image."""
    found = {
        case_id: _refused(case_id, folder / f"{case_id}.nii.gz", "The image has no label map.")
        for case_id in images
        if case_id not in labels
    }
    for path in files:
        if stem_of(path) not in images:
            found[stem_of(path)] = _refused(stem_of(path), path, "The label map has no image.")
    return found


def _absent(
    root: Path,
    listed: Iterable[_Listed],
    images: Mapping[str, Path],
    in_labels: Mapping[str, Path],
) -> dict[str, RefusedCase]:
    """Find the cases whose listed files are not there.

    nnU-Net 1 listed `imagesTr/c1.nii.gz` and looked for `c1_0000.nii.gz`.
    """
    found: dict[str, RefusedCase] = {}
    for path in (path for one in listed for path in one if path):
        case_id = _case_and_channel(path, in_labels)[0]
        is_there = path.is_file() or (path.parent == root / "imagesTr" and case_id in images)
        if not is_there:
            what = f"The listed file {str(path.relative_to(root))[:80]!r} is absent."
            found.setdefault(case_id, _refused(case_id, path, what))
    return found


def _refused(case_id: str, path: Path, what: str) -> RefusedCase:
    fix = "add the missing file, or take the other one out and unlist both"
    return RefusedCase(case_id, refusal(path, what, fix))
