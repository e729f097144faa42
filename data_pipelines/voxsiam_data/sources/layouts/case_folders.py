"""One folder per case: `<case>/{image,label}.nii.gz`."""

from pathlib import Path

from voxsiam.errors import refusal
from voxsiam_data.labels.protocols import PROTOCOLS, LabelMeaning, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import find_volume, subfolders
from voxsiam_data.sources.found import Found, RefusedCase, collect

LAYOUT = "case folders: <case>/image.nii.gz and <case>/label.nii.gz"


def recognise(root: Path) -> bool:
    """Tell whether some folder in `root` holds an image."""
    return any(find_volume(folder, "image") for folder in subfolders(root))


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the folders that hold an image or a label map; other folders are passed over.

    Args:
        protocol: Meaning of the label values; our own, as in `voxsiam.types`, where it is None.
    """
    meaning = (protocol or PROTOCOLS["voxsiam"]).meaning(organs, root)
    cases = (_case(folder, meaning, root.name) for folder in subfolders(root))
    return collect(root, filter(None, cases), boxes=True)


def _case(folder: Path, meaning: LabelMeaning, source: str) -> Case | RefusedCase | None:
    image, label = find_volume(folder, "image"), find_volume(folder, "label")
    if image and label:
        return Case(folder.name, folder.name, image, meaning.map(label), source)
    if not image and not label:
        return None
    error = refusal(
        folder,
        f"The case has no {'label' if image else 'image'}.nii.gz.",
        "add the file, or take the folder away",
    )
    return RefusedCase(folder.name, error)
