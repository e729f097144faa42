"""The layout of nnU-Net v2 and of the Medical Segmentation Decathlon.

`dataset.json`, `imagesTr/<case>_0000.nii.gz` (Decathlon: `imagesTr/<case>.nii.gz`) and
`labelsTr/<case>.nii.gz`. nnU-Net writes labels as name -> value, the Decathlon as value -> name.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import get_args

from data_pipelines.label_protocols import LabelProtocol
from data_pipelines.manifest import Case, DataKind, Manifest
from data_pipelines.sources.crop_boxes import with_crop_boxes
from data_pipelines.sources.found import Found
from data_pipelines.sources.organ_names import organ_value
from data_pipelines.sources.patients import group_by_patient
from data_pipelines.sources.text_files import read_json_object
from voxsiam.errors import UserError
from voxsiam.types import ORGANS
from voxsiam.volumes.label_files import LabelMap

LAYOUT = "nnU-Net v2 or Decathlon: dataset.json, imagesTr/, labelsTr/"
_ENDINGS = (".nii.gz", ".nii")
_MAX_LABEL_VALUE = 65535


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
    _check_listed_paths(path, description)
    images = _images(root)
    _check_count(path, description.get("numTraining"), len(images))
    cases = tuple(_case(root, *named, label_values) for named in images.items())
    kind = _kind(path, description.get("kind", "real"))
    cases = with_crop_boxes(group_by_patient(cases, root), root)
    return Found(Manifest(cases, root, kind))


def read_label_values(path: Path, labels: object) -> dict[int, int]:
    """Translate the `labels` of a dataset.json into source value -> our value."""
    if not isinstance(labels, Mapping):
        raise _refuse(path, "It has no table 'labels'.", 'add "labels": {"background": 0, ...}')
    named = [_value_and_name(path, key, value) for key, value in labels.items()]
    result = {value: organ_value(name) or 0 for value, name in named}
    if len(result) < len(named):
        raise _refuse(path, "Two labels have the same value.", "give each label its own value")
    if result.setdefault(0, 0):
        raise _refuse(path, "Value 0 is an organ.", "keep 0 for the background")
    organs = [value for value in result.values() if value]
    if not organs:
        raise _refuse(
            path,
            "None of its labels is one of the eight organs.",
            f"name the labels: {', '.join(ORGANS)}",
        )
    if len(set(organs)) < len(organs):
        raise _refuse(path, "Two labels name the same organ.", "merge them, or rename one")
    return result


def _kind(path: Path, kind: object) -> DataKind:
    """Read our own entry `kind`: generated data sets must not pass for scans."""
    for known in get_args(DataKind):
        if kind == known:
            return known
    raise _refuse(path, f"Its kind is {str(kind)[:40]!r}.", f"use one of {get_args(DataKind)}")


def _refuse(path: Path, what: str, fix: str) -> UserError:
    return UserError(what, where=str(path), fix=fix)


def _value_and_name(path: Path, key: object, value: object) -> tuple[int, str]:
    if isinstance(key, str) and isinstance(value, str) and key.isdecimal() and len(key) < 6:
        number, name = int(key), value
    elif isinstance(key, str) and isinstance(value, int) and not isinstance(value, bool):
        number, name = value, key
    else:
        raise _refuse(
            path,
            f"The label {str(key)[:40]!r}: {str(value)[:40]!r} is not a name and one value.",
            'write "liver": 5 (nnU-Net v2) or "5": "liver" (Decathlon); no regions',
        )
    if not 0 <= number <= _MAX_LABEL_VALUE:
        raise _refuse(path, f"The label {name[:40]!r} has value {number}.", "use 0 to 65535")
    if name.lower() == "ignore":
        raise _refuse(
            path, "It has an 'ignore' label.", "only fully labelled cases can be used: remove it"
        )
    return number, name


def _check_listed_paths(path: Path, description: Mapping[str, object]) -> None:
    if "dataset" in description:
        raise _refuse(
            path, "It lists files of its own under 'dataset'.", "use imagesTr and labelsTr"
        )
    training = description.get("training", [])
    if not isinstance(training, list):
        raise _refuse(path, "'training' is not a list.", "mend or remove it")
    for entry in training:
        for name in entry.values() if isinstance(entry, Mapping) else [entry]:
            _check_inside(path, name)


def _check_inside(path: Path, name: object) -> None:
    if not isinstance(name, str) or "\0" in name:
        raise _refuse(path, "'training' holds something that is not a path.", "mend or remove it")
    listed = PurePosixPath(name)
    if listed.is_absolute() or ".." in listed.parts:
        raise _refuse(
            path,
            f"The path {name[:80]!r} leads out of the data set.",
            "use paths inside the folder of dataset.json",
        )
    if not (path.parent / listed).is_file():
        raise _refuse(path, f"The listed file {name[:80]!r} is absent.", "add it or unlist it")


def _check_count(path: Path, stated: object, found: int) -> None:
    if stated is not None and stated != found:
        raise _refuse(
            path,
            f"numTraining is {str(stated)[:20]}, but imagesTr holds {found} cases.",
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
        raise _refuse(
            root / "labelsTr" / f"{case_id}.nii.gz",
            "The image has no label map.",
            "add it, or take the image out of imagesTr",
        )
    return Case(case_id, case_id, image, LabelMap(path=label, values=label_values), root.name)
