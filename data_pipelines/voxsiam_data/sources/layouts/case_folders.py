"""One folder per case: `<case>/{image,label}.nii.gz`."""

from collections.abc import Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.sources.case_files import find_volume
from voxsiam_data.sources.crop_boxes import with_crop_boxes
from voxsiam_data.sources.found import Found, RefusedCase, require_some
from voxsiam_data.sources.patients import group_by_patient

LAYOUT = "case folders: <case>/image.nii.gz and <case>/label.nii.gz"


def recognise(root: Path) -> bool:
    """Tell whether some folder in `root` holds an image."""
    return any(find_volume(folder, "image") for folder in _folders(root))


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the folders that hold an image or a label map; other folders are passed over.

    Args:
        protocol: Meaning of the label values; our own, as in `voxsiam.types`, where it is None.
    """
    values = (protocol or PROTOCOLS["voxsiam"]).values
    folders = [f for f in _folders(root) if find_volume(f, "image") or find_volume(f, "label")]
    read = [_case(folder, values, root.name) for folder in folders]
    cases = tuple(each for each in read if isinstance(each, Case))
    refused = tuple(each for each in read if isinstance(each, RefusedCase))
    require_some(cases, refused)
    cases = with_crop_boxes(group_by_patient(cases, root), root)
    return Found(Manifest(cases, root), refused=refused)


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _case(folder: Path, values: Mapping[int, int], source: str) -> Case | RefusedCase:
    image, label = find_volume(folder, "image"), find_volume(folder, "label")
    if image is None or label is None:
        error = UserError(
            f"The case has no {'image' if image is None else 'label'}.nii.gz.",
            where=str(folder),
            fix="add the file, or take the folder away",
        )
        return RefusedCase(folder.name, error)
    return Case(folder.name, folder.name, image, LabelMap(path=label, values=values), source)
