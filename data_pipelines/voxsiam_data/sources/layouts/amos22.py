"""AMOS 2022: imagesTr/, labelsTr/, imagesVa/, labelsVa/ with files amos_####.nii.gz.

500 CTs and 100 MRIs share the folders; numbers above 500 are MRIs and are left out.
"""

import re
from pathlib import Path

from voxsiam.errors import refusal
from voxsiam_data.labels.dataset_json import read_protocol
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import match_name
from voxsiam_data.sources.found import Found, RefusedCase, collect, left_out, require_protocol
from voxsiam_data.sources.layouts.image_label_folders import has_scans_named, read_parts

LAYOUT = "AMOS22: imagesTr/amos_####.nii.gz and labelsTr/, imagesVa/ and labelsVa/"
LAST_CT = 500

_PROTOCOL = PROTOCOLS["amos22"]
_PARTS = (("imagesTr", "labelsTr"), ("imagesVa", "labelsVa"))
_NAME = re.compile(r"amos_(\d{4})(_0000)?", re.ASCII)


def recognise(root: Path) -> bool:
    """Tell whether the training scans are named as AMOS names them."""
    return has_scans_named(root / "imagesTr", _NAME)


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the labelled CTs of both parts."""
    require_protocol(protocol, _PROTOCOL, root)
    _check_named_values(root / "dataset.json")
    meaning = _PROTOCOL.meaning(organs, root)
    found, notes = read_parts(root, _PARTS, "amos22", meaning, _case_name)
    cts = [each for each in found if _number(each) <= LAST_CT]
    mri = {n for each in found if isinstance(each, Case) and (n := _number(each)) > LAST_CT}
    if mri and not cts:
        raise refusal(
            root,
            f"All {len(mri)} cases are MRIs: AMOS numbers them above {LAST_CT}.",
            "give the folder that holds the CTs",
        )
    return collect(root, cts, (*notes, *left_out(mri, "MRI")))


def _check_named_values(path: Path) -> None:
    """Refuse a dataset.json that gives one of our organs another value than the protocol."""
    if not path.is_file():
        return
    named = read_protocol(path).values_for()
    for value, organ in _PROTOCOL.values_for().items():
        if named.get(value, 0) != organ:
            raise refusal(
                path,
                f"It names value {value} otherwise than the label protocol '{_PROTOCOL.name}'.",
                "restore the file of the data set; a converted copy with other values needs "
                "other file names too",
            )


def _number(case: Case | RefusedCase) -> int:
    return int(case.case_id.removeprefix("amos_"))


def _case_name(path: Path) -> str:
    return f"amos_{match_name(path, _NAME, 'amos_####.nii.gz')[1]}"
