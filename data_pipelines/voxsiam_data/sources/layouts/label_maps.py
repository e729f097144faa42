"""A flat folder of label maps `<name>.nii.gz` without scans: to check, and to paint phantoms on."""

from pathlib import Path

from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.sources.case_files import require_inside, twice, volumes_in
from voxsiam_data.sources.found import Found
from voxsiam_data.sources.patients import group_by_patient
from voxsiam_data.sources.wrong_folder import require_label_maps

LAYOUT = "label maps alone: <name>.nii.gz in one folder"


def recognise(root: Path) -> bool:
    """Tell whether NIfTI files lie in the folder itself."""
    return bool(volumes_in(root))


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the label maps; without a protocol their values are VoxSiam's own."""
    chosen = protocol or PROTOCOLS["voxsiam"]
    files: dict[str, Path] = {}
    for path in require_inside(volumes_in(root), root):
        if stem_of(path) in files:
            raise twice(path, files[stem_of(path)])
        files[stem_of(path)] = path
    require_label_maps(list(files.values()), root)
    cases = tuple(
        Case(name, name, None, LabelMap(path=path, values=chosen.values), root.name)
        for name, path in files.items()
    )
    return Found(Manifest(group_by_patient(cases, root), root))
