"""WORD: imagesTr/, labelsTr/, and the same of Val and Ts, with files word_####.nii.gz.

All three parts are read, each where its labels are there: studies draw their own splits.
"""

import re
from pathlib import Path

from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol, OrganChoice
from voxsiam_data.sources.case_files import match_name
from voxsiam_data.sources.found import Found, collect, require_protocol
from voxsiam_data.sources.layouts.image_label_folders import has_scans_named, read_parts

LAYOUT = "WORD: imagesTr/word_####.nii.gz and labelsTr/, likewise Val and Ts"

_PROTOCOL = PROTOCOLS["word"]
_PARTS = tuple((f"images{part}", f"labels{part}") for part in ("Tr", "Val", "Ts"))
_NAME = re.compile(r"word_\d{4}", re.ASCII)


def recognise(root: Path) -> bool:
    """Tell whether the training scans are named as WORD names them."""
    return has_scans_named(root / "imagesTr", _NAME)


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the labelled scans of all parts."""
    require_protocol(protocol, _PROTOCOL, root)
    meaning = _PROTOCOL.meaning(organs, root)
    return collect(root, *read_parts(root, _PARTS, "word", meaning, _case_name))


def _case_name(path: Path) -> str:
    return match_name(path, _NAME, "word_####.nii.gz")[0]
