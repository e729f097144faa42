"""The layout of nnU-Net v2 and of the Medical Segmentation Decathlon.

`dataset.json`, `imagesTr/<case>_0000.nii.gz` (Decathlon: `imagesTr/<case>.nii.gz`) and
`labelsTr/<case>.nii.gz`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import get_args

from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.dataset_json import label_notes, read_label_values
from voxsiam_data.labels.protocols import LabelProtocol
from voxsiam_data.manifest import Case, DataKind, Manifest
from voxsiam_data.sources.case_files import nifti_files, stem_of
from voxsiam_data.sources.crop_boxes import with_crop_boxes
from voxsiam_data.sources.found import Found, RefusedCase, require_some
from voxsiam_data.sources.patients import group_by_patient
from voxsiam_data.text_files import read_json_object

LAYOUT = "nnU-Net v2 or Decathlon: dataset.json, imagesTr/, labelsTr/"
_ENDINGS = (".nii.gz", ".nii")


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
    images = _images(root)
    refused = _absent(root, _listed_paths(path, description)) | _incomplete(root, images)
    meant = len(images.keys() | refused.keys())
    _check_count(path, description.get("numTraining"), {len(images), meant})
    whole = {case_id: image for case_id, image in images.items() if case_id not in refused}
    cases = tuple(_case(root, *each, label_values) for each in whole.items())
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


def _listed_paths(path: Path, description: Mapping[str, object]) -> list[Path]:
    """Read the paths that it lists, which need not be there.

    Raises:
        UserError: One is no path, or leads out of the data set.
    """
    if "dataset" in description:
        raise _refuse(
            path, "It lists files of its own under 'dataset'.", "use imagesTr and labelsTr"
        )
    training = description.get("training", [])
    if not isinstance(training, list):
        raise _refuse(path, "'training' is not a list.", "mend or remove it")
    names = [
        name
        for entry in training
        for name in (entry.values() if isinstance(entry, Mapping) else [entry])
    ]
    return [_inside(path, name) for name in names]


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


def _check_count(path: Path, stated: object, found: set[int]) -> None:
    if stated is not None and stated not in found:
        raise _refuse(
            path,
            f"numTraining is {str(stated)[:20]}, but imagesTr holds {min(found)} cases.",
            "complete the data set, or correct the number",
        )


def _images(root: Path) -> dict[str, Path]:
    files = sorted(
        path
        for path in (root / "imagesTr").iterdir()
        if path.name.endswith(_ENDINGS) and not path.name.startswith(".")
    )
    result: dict[str, Path] = {}
    for file in files:
        case_id, channel = _case_and_channel(file, root)
        if channel != "0000" or case_id in result:
            raise _refuse(file, "The case has more than one image.", "keep the CT alone")
        result[case_id] = file
    return result


def _case_and_channel(file: Path, root: Path) -> tuple[str, str]:
    stem = file.name.removesuffix(".gz").removesuffix(".nii")
    case_id, _, channel = stem.rpartition("_")
    # "amos_0001" may be a case of that name: its label map tells.
    if case_id and len(channel) == 4 and channel.isdecimal() and not _label(root, stem):
        return case_id, channel
    return stem, "0000"


def _label(root: Path, case_id: str) -> Path | None:
    found = (root / "labelsTr" / f"{case_id}{ending}" for ending in _ENDINGS)
    return next((path for path in found if path.is_file()), None)


def _case(root: Path, case_id: str, image: Path, label_values: Mapping[int, int]) -> Case:
    label = _label(root, case_id)
    if label is None:
        raise ValueError("a case without its label map is refused before")
    return Case(case_id, case_id, image, LabelMap(path=label, values=label_values), root.name)


def _incomplete(root: Path, images: Mapping[str, Path]) -> dict[str, RefusedCase]:
    """Find the images without a label map, and the label maps without an image."""
    folder = root / "labelsTr"
    files = nifti_files(folder) if folder.is_dir() else []
    found = {
        case_id: _refused(case_id, folder / f"{case_id}.nii.gz", "The image has no label map.")
        for case_id in images
        if not _label(root, case_id)
    }
    for path in files:
        if stem_of(path) not in images:
            found[stem_of(path)] = _refused(stem_of(path), path, "The label map has no image.")
    return found


def _absent(root: Path, listed: Iterable[Path]) -> dict[str, RefusedCase]:
    """Find the cases whose listed files are not there."""
    found: dict[str, RefusedCase] = {}
    for path in listed:
        if not path.is_file():
            case_id = _case_and_channel(path, root)[0]
            what = f"The listed file {str(path.relative_to(root))[:80]!r} is absent."
            found.setdefault(case_id, _refused(case_id, path, what))
    return found


def _refused(case_id: str, path: Path, what: str) -> RefusedCase:
    fix = "add the missing file, or take the other one out and unlist both"
    return RefusedCase(case_id, _refuse(path, what, fix))
