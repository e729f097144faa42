"""AMOS 2022: imagesTr/, labelsTr/, imagesVa/, labelsVa/ with files amos_####.nii.gz.

500 CTs and 100 MRIs share the folders; numbers above 500 are MRIs and are left out.
"""

import re
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.dataset_json import read_label_values
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol
from voxsiam_data.manifest import Manifest
from voxsiam_data.sources.case_files import volumes_in
from voxsiam_data.sources.found import Found, left_out, require_protocol, require_some
from voxsiam_data.sources.layouts.image_label_folders import Part, read_parts
from voxsiam_data.sources.patients import group_by_patient
from voxsiam_data.text_files import read_json_object

LAYOUT = "AMOS22: imagesTr/amos_####.nii.gz and labelsTr/, imagesVa/ and labelsVa/"
LAST_CT = 500

_PROTOCOL = PROTOCOLS["amos22"]
_PARTS = (Part("imagesTr", "labelsTr"), Part("imagesVa", "labelsVa"))
_NAME = re.compile(r"amos_(\d{4})(_0000)?", re.ASCII)


def recognise(root: Path) -> bool:
    """Tell whether the training scans are named as AMOS names them."""
    folder = root / "imagesTr"
    return folder.is_dir() and any(_NAME.fullmatch(stem_of(p)) for p in volumes_in(folder))


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the labelled CTs of both parts."""
    require_protocol(protocol, _PROTOCOL, root)
    check_named_values(root / "dataset.json", _PROTOCOL)
    files = read_parts(root, _PARTS, _case_name)
    cts = {name: pair for name, pair in files.pairs.items() if _number(name) <= LAST_CT}
    mri = {_number(name) for name in files.pairs.keys() - cts.keys()}
    refused = tuple(each for each in files.refused if _number(each.case_id) <= LAST_CT)
    if mri and not cts and not refused:
        raise UserError(
            f"All {len(mri)} cases are MRIs: AMOS numbers them above {LAST_CT}.",
            where=str(root),
            fix="give the folder that holds the CTs",
        )
    cases = tuple(pair.case(name, "amos22", _PROTOCOL) for name, pair in cts.items())
    require_some(cases, refused)
    notes = (*files.notes, *left_out(mri, "MRI"))
    return Found(Manifest(group_by_patient(cases, root), root), notes, refused)


def check_named_values(path: Path, protocol: LabelProtocol) -> None:
    """Refuse a dataset.json that gives one of our organs another value than the protocol.

    Raises:
        UserError: It does, or it is unreadable; an absent file is fine.
    """
    if not path.is_file():
        return
    named = read_label_values(path, read_json_object(path).get("labels"))
    for value, organ in protocol.values.items():
        if named.get(value, 0) != organ:
            raise UserError(
                f"It names value {value} otherwise than the label protocol '{protocol.name}'.",
                where=str(path),
                fix="restore the file of the data set; a converted copy with other values needs "
                "other file names too",
            )


def _number(case_id: str) -> int:
    return int(case_id.removeprefix("amos_"))


def _case_name(path: Path) -> str:
    match = _NAME.fullmatch(stem_of(path))
    if match is None:
        raise UserError(
            "It is not named amos_####.nii.gz like the others of this data set.",
            where=str(path),
            fix="keep only what belongs to the data set in this folder",
        )
    return f"amos_{match[1]}"
