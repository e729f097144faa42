"""Pancreas-CT of TCIA with the multi-organ references of Zenodo 1169361.

`PANCREAS_####/<study>/<series>/*.dcm` as the NBIA tools write it, at most two folders below the
root, or the slices directly in `PANCREAS_####`; beside them `label_tcia_multiorgan/`.

The label maps lie on the stack of slices, but their headers do not always say so (method, D.3):
which axes they run along is found by HU, case by case.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.dicom import holds_dicom
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import LabelProtocol
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.sources.case_files import by_number, folders_below, require_inside
from voxsiam_data.sources.found import Found, RefusedCase, left_out, require_protocol, require_some
from voxsiam_data.sources.layouts import zenodo_labels
from voxsiam_data.sources.patients import group_by_patient

LAYOUT = "Pancreas-CT: PANCREAS_####/ of DICOM slices and Zenodo's label_tcia_multiorgan/"
SOURCE = "pancreas-ct"
WITHDRAWN = {25, 70}
"""TCIA took the scans back: whoever downloads today gets empty folders or none."""

_PREFIX = "PANCREAS_"
_DEPTH = 3
_SERIES_DEPTH = 3


def recognise(root: Path) -> bool:
    """Tell whether some folder is named like a patient of the collection."""
    return bool(_patient_folders(root))


def read(root: Path, protocol: LabelProtocol | None = None) -> Found:
    """List the scans that have a multi-organ reference."""
    require_protocol(protocol, zenodo_labels.PROTOCOL, root)
    labels = zenodo_labels.find_references(root, zenodo_labels.PANCREAS_CT)
    if labels is None:
        raise zenodo_labels.absent(root, zenodo_labels.PANCREAS_CT)
    patients = patient_folders(root)
    series = find_series(patients, root, labels.keys())
    empty = (patients.keys() & labels.keys()) - series.keys() - WITHDRAWN
    refused = tuple(_without_slices(number, patients[number]) for number in sorted(empty))
    without_image = labels.keys() - series.keys() - empty
    unlabelled = patients.keys() - labels.keys()
    notes = (
        *withdrawn_note(without_image),
        *left_out(without_image - WITHDRAWN, "with a label map and no scan"),
        *left_out(unlabelled, "without a multi-organ reference"),
    )
    cases = cases_of(series, labels)
    require_some(cases, refused)
    return Found(Manifest(group_by_patient(cases, root), root), notes, refused)


def cases_of(series: Mapping[int, Path], labels: Mapping[int, Path]) -> tuple[Case, ...]:
    """Join the scans and label maps that both are there."""
    return tuple(
        _case(f"{_PREFIX}{number:04}", series[number], labels[number])
        for number in sorted(series.keys() & labels.keys())
    )


def patient_folders(root: Path) -> dict[int, Path]:
    """Find the folders of the patients by number.

    Raises:
        UserError: A patient has two, or a link leads out of the data set.
    """
    return by_number(require_inside(_patient_folders(root), root), _PREFIX)


def find_series(
    patients: Mapping[int, Path], root: Path, wanted: Collection[int]
) -> dict[int, Path]:
    """Find the folder of slices of each wanted patient that has one.

    Raises:
        UserError: A patient has slices in two folders, or a link leads out of the data set.
    """
    found: dict[int, Path] = {}
    for number in sorted(patients.keys() & wanted):
        folders = _folders_of_slices(patients[number], root)
        if len(folders) > 1:
            raise UserError(
                f"The patient has {len(folders)} folders of DICOM slices, also "
                f"{folders[0].relative_to(root)}.",
                where=str(folders[1]),
                fix="keep the folder of one series; put slices of one series into one folder",
            )
        if folders:
            found[number] = folders[0]
    return found


def withdrawn_note(without_image: set[int]) -> tuple[str, ...]:
    """Name the withdrawn ones among the cases without an image."""
    gone = sorted(without_image & WITHDRAWN)
    return tuple(f"{_PREFIX}{number:04} has no scan: TCIA withdrew it" for number in gone)


def _without_slices(number: int, folder: Path) -> RefusedCase:
    error = UserError(
        "The folder of the patient holds no DICOM slice.",
        where=str(folder),
        fix="download the series of this patient again, or remove its folder",
    )
    return RefusedCase(f"{_PREFIX}{number:04}", error)


def _case(name: str, series: Path, label: Path) -> Case:
    values = zenodo_labels.PROTOCOL.values
    return Case(name, name, series, LabelMap(path=label, values=values, place="by_hu"), SOURCE)


def _patient_folders(root: Path) -> list[Path]:
    return [
        folder
        for folder in folders_below(root, _DEPTH)
        if folder != root and re.match(rf"{_PREFIX}\d", folder.name, re.IGNORECASE)
    ]


def _folders_of_slices(patient: Path, root: Path) -> list[Path]:
    folders = require_inside(folders_below(patient, _SERIES_DEPTH), root)
    return [folder for folder in folders if holds_dicom(folder)]
