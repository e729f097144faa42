"""A flat folder of label maps `<name>.nii.gz` without scans: to check, and to paint phantoms on."""

from pathlib import Path

import numpy as np

from voxsiam.errors import UserError, refusal
from voxsiam.volumes.volume_file import read_volume, stem_of
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import index_by, require_inside, volumes_in
from voxsiam_data.sources.found import Found, collect

LAYOUT = "label maps alone: <name>.nii.gz in one folder"

_CT_BELOW, _CT_ABOVE = -100, 1000
"""No protocol has such values; a CT always has, in HU or with 1024 added."""

_MIN_FRACTIONS = 0.01


def recognise(root: Path) -> bool:
    """Tell whether NIfTI files lie in the folder itself."""
    return bool(volumes_in(root))


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the label maps; without a protocol their values are VoxSiam's own.

    A folder of scans, or of a single case, is refused: its first or its last file is a CT.
    """
    meaning = (protocol or PROTOCOLS["voxsiam"]).meaning(organs, root)
    files = index_by(stem_of, require_inside(volumes_in(root), root))
    paths = list(files.values())
    scans = sorted({path.name for path in (paths[0], paths[-1]) if _looks_like_ct(path)})
    if scans:
        raise refusal(
            root,
            f"These look like CTs, not label maps: {', '.join(scans)}.",
            "give the folder that holds imagesTr and labelsTr, or the one that holds the "
            f"folders of the cases; here perhaps {root.parent}",
        )
    return collect(
        root,
        (Case(name, name, None, meaning.map(path), root.name) for name, path in files.items()),
    )


def _looks_like_ct(path: Path) -> bool:
    try:
        array = np.asarray(read_volume(path).array)
    except UserError:
        return False  # damaged: its check says so
    if array.min() < _CT_BELOW or array.max() > _CT_ABOVE:
        return True
    return array.dtype.kind == "f" and bool(np.mean(array != np.round(array)) > _MIN_FRACTIONS)
