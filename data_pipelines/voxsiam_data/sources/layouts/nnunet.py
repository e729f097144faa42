"""The layout of nnU-Net v2 and of the Medical Segmentation Decathlon.

`dataset.json`, `imagesTr/<case>_0000.nii.gz` (Decathlon: `imagesTr/<case>.nii.gz`) and
`labelsTr/<case>.nii.gz`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.volume_file import ENDINGS, stem_of
from voxsiam_data.labels.dataset_json import label_notes, read_label_values
from voxsiam_data.labels.protocols import LabelProtocol
from voxsiam_data.manifest import Case, DataKind, Manifest
from voxsiam_data.sources.case_files import volumes_by_stem, volumes_in
from voxsiam_data.sources.crop_boxes import with_crop_boxes
from voxsiam_data.sources.found import Found, RefusedCase, require_some
from voxsiam_data.sources.patients import group_by_patient
from voxsiam_data.text_files import read_json_object

LAYOUT = "nnU-Net v2 or Decathlon: dataset.json, imagesTr/, labelsTr/"


def recognise(root: Path) -> bool:
    """Tell whether `root` has the files that name this layout."""
    return (root / "dataset.json").is_file() and (root / "imagesTr").is_dir()


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the training cases; labels of organs that are not ours become background.

    Args:
        root: Folder of the data set.
        protocol: Meaning of the values, instead of what dataset.json says.
    """
    path = root / "dataset.json"
    description = read_json_object(path)
    named = description.get("labels")
    label_values = protocol.values if protocol else read_label_values(path, named)
    notes = () if protocol else label_notes(path, named)
    ending = _file_ending(path, description.get("file_ending"))
    in_labels = volumes_by_stem(root / "labelsTr")
    images = _images(root, ending, in_labels)
    listed = _listed(path, description)
    labels = _labels(images, listed, in_labels)
    refused = _absent(root, listed, images, in_labels)
    refused |= _incomplete(root, images, labels, ending)
    meant = len(images.keys() | refused.keys())
    _check_count(path, description.get("numTraining"), {len(images), meant}, ending)
    whole = {case_id: image for case_id, image in images.items() if case_id not in refused}
    cases = tuple(
        Case(
            case_id, case_id, image, LabelMap(path=labels[case_id], values=label_values), root.name
        )
        for case_id, image in whole.items()
    )
    if any(label.parent != root / "labelsTr" for label in labels.values()):
        notes = (*notes, "the label maps are those that dataset.json lists, not all in labelsTr")
    require_some(cases, refused.values() if images else ())
    kind = _kind(path, description.get("kind", "real"))
    cases = with_crop_boxes(group_by_patient(cases, root), root)
    return Found(Manifest(cases, root, kind), notes, tuple(refused[id_] for id_ in sorted(refused)))


def _kind(path: Path, kind: object) -> DataKind:
    """Read our own entry `kind`: generated data sets must not pass for scans."""
    for known in get_args(DataKind):
        if kind == known:
            return known
    raise _refuse(path, f"Its kind is {str(kind)[:40]!r}.", f"use one of {get_args(DataKind)}")


def _refuse(path: Path, what: str, fix: str) -> UserError:
    return UserError(what, where=str(path), fix=fix)


@dataclass(frozen=True)
class _Listed:
    """A case that dataset.json lists; its files need not be there."""

    image: Path | None
    label: Path | None

    @property
    def files(self) -> list[Path]:
        """Those that it names."""
        return [path for path in (self.image, self.label) if path is not None]


def _listed(path: Path, description: Mapping[str, object]) -> list[_Listed]:
    """Read the cases that it lists.

    Raises:
        UserError: A file's name is no path, or leads out of the data set.
    """
    if "dataset" in description:
        raise _refuse(
            path, "It lists files of its own under 'dataset'.", "use imagesTr and labelsTr"
        )
    training = description.get("training", [])
    if not isinstance(training, list):
        raise _refuse(path, "'training' is not a list.", "mend or remove it")
    found: list[_Listed] = []
    for entry in training:
        named = entry if isinstance(entry, Mapping) else {"image": entry}
        paths = {str(name): _inside(path, value) for name, value in named.items()}
        found.append(_Listed(paths.get("image"), paths.get("label")))
    return found


def _file_ending(path: Path, stated: object) -> str | None:
    """Read which files are cases; all that can be read where it is not said."""
    if stated is None:
        return None
    if not isinstance(stated, str) or not stated.lower().endswith(ENDINGS):
        raise _refuse(
            path,
            f"Its file_ending is {str(stated)[:20]!r}, which is not read.",
            f"use one of {', '.join(ENDINGS)}",
        )
    return stated.lower()


def _inside(path: Path, name: object) -> Path:
    if not isinstance(name, str) or "\0" in name:
        raise _refuse(path, "'training' holds something that is not a path.", "mend or remove it")
    listed = PurePosixPath(name)
    if listed.is_absolute() or ".." in listed.parts:
        raise _refuse(
            path,
            f"The path {name[:80]!r} leads out of the data set.",
            "use paths inside the folder of dataset.json",
        )
    return path.parent / listed


def _check_count(path: Path, stated: object, found: set[int], ending: str | None) -> None:
    if stated is None or stated in found:
        return
    files = volumes_in(path.parent / "imagesTr")
    others = [each.name for each in files if ending and not each.name.lower().endswith(ending)]
    more = (
        f" of file_ending {ending}; {len(others)} end otherwise, as {others[0]}" if others else ""
    )
    raise _refuse(
        path,
        f"numTraining is {str(stated)[:20]}, but imagesTr holds {min(found)} cases{more}.",
        "complete the data set, or correct the number",
    )


def _images(root: Path, ending: str | None, in_labels: Mapping[str, Path]) -> dict[str, Path]:
    result: dict[str, Path] = {}
    files = volumes_in(root / "imagesTr")
    meant = [file for file in files if not ending or file.name.lower().endswith(ending)]
    for file in (*meant, *(file for file in files if file not in meant)):
        case_id, channel = _case_and_channel(file, in_labels)
        if case_id in result or (channel != "0000" and file in meant):
            raise _refuse(file, "The case has more than one image.", "keep the CT alone")
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
        _case_and_channel(one.image, in_labels)[0]: one.label
        for one in listed
        if one.image is not None and one.label is not None and one.label.is_file()
    }
    found = {case_id: named.get(case_id) or in_labels.get(case_id.lower()) for case_id in images}
    return {case_id: label for case_id, label in found.items() if label is not None}


def _incomplete(
    root: Path, images: Mapping[str, Path], labels: Mapping[str, Path], ending: str | None
) -> dict[str, RefusedCase]:
    """Find the images without a label map, and the label maps without an image."""
    folder = root / "labelsTr"
    files = volumes_in(folder) if folder.is_dir() else []
    found = {
        case_id: _refused(case_id, folder / f"{case_id}.nii.gz", "The image has no label map.")
        for case_id in images
        if case_id not in labels
    }
    for path in files:
        is_meant = ending is None or path.name.lower().endswith(ending)
        if is_meant and stem_of(path) not in images:
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
    for path in (path for one in listed for path in one.files):
        case_id = _case_and_channel(path, in_labels)[0]
        is_there = path.is_file() or (path.parent == root / "imagesTr" and case_id in images)
        if not is_there:
            what = f"The listed file {str(path.relative_to(root))[:80]!r} is absent."
            found.setdefault(case_id, _refused(case_id, path, what))
    return found


def _refused(case_id: str, path: Path, what: str) -> RefusedCase:
    fix = "add the missing file, or take the other one out and unlist both"
    return RefusedCase(case_id, _refuse(path, what, fix))
