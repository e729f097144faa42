"""Scans in one folder, label maps of the same names in another: imagesTr/ and labelsTr/ and alike.

Without a dataset.json nothing says what the label values mean: FLARE22 comes like this. A scan may
carry nnU-Net's channel number: `<case>_0000.nii.gz`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from voxsiam.errors import refusal
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.protocols import PROTOCOLS, LabelMeaning, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import index_by, require_inside, twice, volumes_in
from voxsiam_data.sources.found import Found, RefusedCase, collect

LAYOUT = "image and label folders: imagesTr/, labelsTr/ or images/, labels/ (with --protocol)"
_CHANNEL = "_0000"

Parts = tuple[tuple[str, str], ...]
"""Each a folder of scans and the folder of their label maps."""

_PARTS: Parts = (("imagesTr", "labelsTr"), ("images", "labels"))


def recognise(root: Path) -> bool:
    """Tell whether a folder of scans and one of label maps are there, and no dataset.json."""
    pairs = any((root / images).is_dir() and (root / labels).is_dir() for images, labels in _PARTS)
    return pairs and not (root / "dataset.json").is_file()


def has_scans_named(folder: Path, name: re.Pattern[str]) -> bool:
    """Tell whether a volume in a folder is named as a data set names its scans."""
    return folder.is_dir() and any(name.fullmatch(stem_of(path)) for path in volumes_in(folder))


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the pairs; the protocol must be named."""
    if protocol is None:
        raise refusal(
            root,
            "Nothing there says what the values of the label maps mean.",
            f"add --protocol with one of: {', '.join(PROTOCOLS)}",
        )
    meaning = protocol.meaning(organs, root)
    return collect(root, *read_parts(root, _PARTS, root.name, meaning), boxes=True)


def read_parts(
    root: Path,
    parts: Parts,
    source: str,
    meaning: LabelMeaning,
    case_name: Callable[[Path], str] = stem_of,
) -> tuple[list[Case | RefusedCase], list[str]]:
    """List the scans and label maps of every part that has both folders.

    Args:
        case_name: Reads the name of the case from a file; it raises a UserError for others.

    Returns:
        The cases by name, those that lack a file, and notes of parts that are left out.

    Raises:
        UserError: A case occurs twice, or a link leads out of the data set.
    """
    there = [(root / images, root / labels) for images, labels in parts if (root / images).is_dir()]
    unlabelled = [part for part in there if not part[1].is_dir()]
    notes = [f"{part[0].name} is left out: there is no {part[1].name}" for part in unlabelled]
    whole: dict[str, tuple[Path, Path]] = {}
    refused: list[RefusedCase] = []
    for part in (part for part in there if part not in unlabelled):
        for name, image, label in _pairs(*part, root, case_name):
            if image is None or label is None:
                refused.append(_alone(name, image, label))
            elif name in whole:
                raise twice(image, whole[name][0])
            else:
                whole[name] = image, label
    for each in refused:
        if each.case_id in whole:
            raise each.error
    cases = [
        Case(name, name, image, meaning.map(label), source)
        for name, (image, label) in sorted(whole.items())
    ]
    return [*cases, *refused], notes


def _pairs(
    images: Path, labels: Path, root: Path, case_name: Callable[[Path], str]
) -> Iterator[tuple[str, Path | None, Path | None]]:
    """Name each case of two folders with its scan and its label map, where it has them."""
    label_maps = index_by(case_name, require_inside(volumes_in(labels), root))

    def scan_name(path: Path) -> str:
        # "amos_0000" may be a case of that name: its label map tells.
        name = case_name(path)
        return name if name in label_maps else name.removesuffix(_CHANNEL)

    scans = index_by(scan_name, require_inside(volumes_in(images), root))
    for name in sorted(scans.keys() | label_maps.keys()):
        yield name, scans.get(name), label_maps.get(name)


def _alone(name: str, image: Path | None, label: Path | None) -> RefusedCase:
    (path,) = filter(None, (image, label))
    other = "scan" if image is None else "label map"
    error = refusal(
        path,
        f"It has no {other} of the same name.",
        f"add the {other}, or take this file out of the folder",
    )
    return RefusedCase(name, error)
