"""WORD: imagesTr/, labelsTr/, and the same of Val and Ts, with files word_####.nii.gz.

All three parts are read, each where its labels are there: studies draw their own splits.
"""

import re
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol
from voxsiam_data.manifest import Manifest
from voxsiam_data.sources.case_files import volumes_in
from voxsiam_data.sources.found import Found, require_protocol, require_some
from voxsiam_data.sources.layouts.image_label_folders import Part, read_parts
from voxsiam_data.sources.patients import group_by_patient

LAYOUT = "WORD: imagesTr/word_####.nii.gz and labelsTr/, likewise Val and Ts"

_PROTOCOL = PROTOCOLS["word"]
_PARTS = tuple(Part(f"images{part}", f"labels{part}") for part in ("Tr", "Val", "Ts"))
_NAME = re.compile(r"word_\d{4}", re.ASCII)


def recognise(root: Path) -> bool:
    """Tell whether the training scans are named as WORD names them."""
    folder = root / "imagesTr"
    return folder.is_dir() and any(_NAME.fullmatch(stem_of(p)) for p in volumes_in(folder))


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the labelled scans of all parts."""
    require_protocol(protocol, _PROTOCOL, root)
    files = read_parts(root, _PARTS, _case_name)
    cases = tuple(pair.case(name, "word", _PROTOCOL) for name, pair in files.pairs.items())
    require_some(cases, files.refused)
    return Found(Manifest(group_by_patient(cases, root), root), files.notes, files.refused)


def _case_name(path: Path) -> str:
    name = stem_of(path)
    if not _NAME.fullmatch(name):
        raise UserError(
            "It is not named word_####.nii.gz like the others of this data set.",
            where=str(path),
            fix="keep only what belongs to the data set in this folder",
        )
    return name
