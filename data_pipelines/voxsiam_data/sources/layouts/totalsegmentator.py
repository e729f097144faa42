"""TotalSegmentator's data set and output: `<case>/ct.nii.gz` with one mask per organ or one map.

Masks lie in `<case>/segmentations/<organ>.nii.gz` and are named alike in versions 1 and 2. A map is
`<case>/segmentations.nii.gz`; its values changed with version 2.
"""

from collections.abc import Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import ORGANS
from voxsiam.volumes.label_files import LabelFiles, LabelMap, OrganMasks
from voxsiam_data.labels.mask_files import organ_masks
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.sources.case_files import find_volume, require_inside, volumes_in
from voxsiam_data.sources.found import Found, RefusedCase, require_some
from voxsiam_data.sources.patients import group_by_patient

LAYOUT = "TotalSegmentator: <case>/ct.nii.gz and <case>/segmentations/<organ>.nii.gz"
_IMAGE, _LABELS = "ct", "segmentations"


def recognise(root: Path) -> bool:
    """Tell whether some folder in `root` holds a scan and its segmentations."""
    return any(find_volume(f, _IMAGE) and _has_labels(f) for f in _folders(root))


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the folders that hold a scan or segmentations.

    Args:
        root: Folder of the case folders.
        protocol: Meaning of the values of maps, version 2 unless it is given.
    """
    if protocol is not None and not protocol.name.startswith("totalsegmentator-"):
        raise UserError(
            f"The labels of this data set do not follow '{protocol.name}'.",
            where=str(root),
            fix="give --protocol totalsegmentator-v1 or -v2, or leave it out",
        )
    chosen = protocol or PROTOCOLS["totalsegmentator-v2"]
    folders = [f for f in _folders(root) if find_volume(f, _IMAGE) or _has_labels(f)]
    masks = {folder: _masks(folder / _LABELS, root) for folder in folders}
    organs = {organ for found in masks.values() for organ in found}
    cases: list[Case] = []
    refused: list[RefusedCase] = []
    for folder in folders:
        try:
            image, labels = _image(folder, root), _labels(folder, masks[folder], organs, chosen)
            cases.append(Case(folder.name, folder.name, image, labels, root.name))
        except UserError as error:
            refused.append(RefusedCase(folder.name, error))
    require_some(cases, refused)
    manifest = Manifest(group_by_patient(tuple(cases), root), root)
    return Found(manifest, _notes(organs), tuple(refused))


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _has_labels(folder: Path) -> bool:
    return (folder / _LABELS).is_dir() or find_volume(folder, _LABELS) is not None


def _image(folder: Path, root: Path) -> Path:
    image = find_volume(folder, _IMAGE)
    if image is None:
        raise UserError(
            f"The case has no {_IMAGE}.nii.gz.",
            where=str(folder),
            fix="add the file, or take the folder away",
        )
    return require_inside([image], root)[0]


def _masks(folder: Path, root: Path) -> dict[int, Path]:
    """Find the masks of our organs by value; those of other structures are passed over."""
    found = organ_masks(volumes_in(folder) if folder.is_dir() else [])
    require_inside(found.values(), root)
    return found


def _labels(
    folder: Path, masks: Mapping[int, Path], organs: set[int], protocol: LabelProtocol
) -> LabelFiles:
    label_map = find_volume(folder, _LABELS)
    if label_map is not None and masks:
        raise UserError(
            "The case has masks and a label map.", where=str(label_map), fix="remove one of them"
        )
    if label_map is not None:
        return LabelMap(path=label_map, values=protocol.values)
    if not masks:
        raise UserError(
            f"The case has no {_LABELS}.nii.gz and no mask of any of the eight organs.",
            where=str(folder),
            fix="unpack this case again, or take the folder away",
        )
    for organ in sorted(organs - masks.keys()):
        raise UserError(
            f"There is no mask of the {ORGANS[organ - 1]}, which other cases have.",
            where=str(folder / _LABELS),
            fix="unpack this case again: an organ out of view has an empty mask, not none",
        )
    return OrganMasks(paths=masks)


def _notes(organs: set[int]) -> tuple[str, ...]:
    absent = [name for value, name in enumerate(ORGANS, start=1) if value not in organs]
    listed = ", ".join(absent)
    return (f"no case has a mask of these organs, they count as not annotated: {listed}",) * bool(
        organs and absent
    )
