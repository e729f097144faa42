"""TotalSegmentator's data set and output: `<case>/ct.nii.gz` with one mask per organ or one map.

Masks lie in `<case>/segmentations/<organ>.nii.gz` and are named alike in versions 1 and 2. A map is
`<case>/segmentations.nii.gz`; its values changed with version 2.
"""

from collections.abc import Mapping
from pathlib import Path

from voxsiam.errors import UserError, refusal
from voxsiam.volumes.label_files import LabelFiles, OrganMasks
from voxsiam_data.labels.mask_files import mask_protocol, structure_masks
from voxsiam_data.labels.protocols import PROTOCOLS, LabelMeaning, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import find_volume, require_inside, subfolders, volumes_in
from voxsiam_data.sources.found import Found, RefusedCase, collect

LAYOUT = "TotalSegmentator: <case>/ct.nii.gz and <case>/segmentations/<organ>.nii.gz"
_IMAGE, _LABELS = "ct", "segmentations"


def recognise(root: Path) -> bool:
    """Tell whether some folder in `root` holds a scan and its segmentations."""
    return any(find_volume(f, _IMAGE) and _has_labels(f) for f in subfolders(root))


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the folders that hold a scan or segmentations.

    Args:
        protocol: Meaning of the values of maps, version 2 unless it is given.
    """
    if protocol is not None and not protocol.name.startswith("totalsegmentator-"):
        raise refusal(
            root,
            f"The labels of this data set do not follow '{protocol.name}'.",
            "give --protocol totalsegmentator-v1 or -v2, or leave it out",
        )
    of_maps = protocol or PROTOCOLS["totalsegmentator-v2"]
    folders = [f for f in subfolders(root) if find_volume(f, _IMAGE) or _has_labels(f)]
    every = {
        folder: structure_masks(volumes_in(folder / _LABELS) if (folder / _LABELS).is_dir() else [])
        for folder in folders
    }
    of_masks = mask_protocol(every.values()) if any(every.values()) else of_maps
    classes = of_masks.meaning(organs, root).organs
    meaning = LabelMeaning(of_maps.values_for(classes), classes)
    masks = {folder: _chosen(each, classes) for folder, each in every.items()}
    require_inside((path for each in masks.values() for path in each.values()), root)
    there = {organ for each in masks.values() for organ in each}
    found: list[Case | RefusedCase] = []
    for folder in folders:
        try:
            image, labels = _image(folder, root), _labels(folder, masks[folder], there, meaning)
            found.append(Case(folder.name, folder.name, image, labels, root.name))
        except UserError as error:
            found.append(RefusedCase(folder.name, error))
    absent = [name for value, name in enumerate(classes, start=1) if value not in there]
    note = f"no case has a mask of these organs, they count as not annotated: {', '.join(absent)}"
    return collect(root, found, [note] if there and absent else [])


def _chosen(masks: Mapping[str, Path], organs: tuple[str, ...]) -> dict[int, Path]:
    """Sort the masks of the classes by their values."""
    return {n: masks[organ] for n, organ in enumerate(organs, start=1) if organ in masks}


def _has_labels(folder: Path) -> bool:
    return (folder / _LABELS).is_dir() or find_volume(folder, _LABELS) is not None


def _image(folder: Path, root: Path) -> Path:
    image = find_volume(folder, _IMAGE)
    if image is None:
        raise refusal(
            folder, f"The case has no {_IMAGE}.nii.gz.", "add the file, or take the folder away"
        )
    return require_inside([image], root)[0]


def _labels(
    folder: Path, masks: Mapping[int, Path], there: set[int], meaning: LabelMeaning
) -> LabelFiles:
    label_map = find_volume(folder, _LABELS)
    if label_map is not None and masks:
        raise refusal(label_map, "The case has masks and a label map.", "remove one of them")
    if label_map is not None:
        return meaning.map(label_map)
    if not masks:
        raise refusal(
            folder,
            f"The case has no {_LABELS}.nii.gz and no mask of any of the organs.",
            "unpack this case again, or take the folder away",
        )
    for organ in sorted(there - masks.keys()):
        raise refusal(
            folder / _LABELS,
            f"There is no mask of the {meaning.organs[organ - 1]}, which other cases have.",
            "unpack this case again: an organ out of view has an empty mask, not none",
        )
    return OrganMasks(paths=masks, organs=meaning.organs)
