"""Pancreas-CT of TCIA with the multi-organ references of Zenodo 1169361.

`PANCREAS_####/<study>/<series>/*.dcm` as the NBIA tools write it, at most two folders below the
root, or the slices directly in `PANCREAS_####`; beside them `label_tcia_multiorgan/`.

The label maps lie on the stack of slices, but their headers do not always say so (method, D.3):
which axes they run along is found by HU, case by case.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Set
from pathlib import Path

from voxsiam.errors import refusal
from voxsiam.volumes.dicom import holds_dicom
from voxsiam_data.labels.protocols import LabelMeaning, LabelProtocol, OrganChoice
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import by_number, folders_below, require_inside
from voxsiam_data.sources.found import Found, RefusedCase, collect, left_out, require_protocol
from voxsiam_data.sources.layouts import zenodo_labels

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


def read(
    root: Path, protocol: LabelProtocol | None = None, organs: OrganChoice | None = None
) -> Found:
    """List the scans that have a multi-organ reference."""
    require_protocol(protocol, zenodo_labels.PROTOCOL, root)
    meaning = zenodo_labels.meaning_of(organs, root)
    labels = zenodo_labels.find_references(root, zenodo_labels.PANCREAS_CT)
    if labels is None:
        raise zenodo_labels.absent(root, zenodo_labels.PANCREAS_CT)
    patients = patient_folders(root)
    series = find_series(patients, root, labels.keys())
    empty = (patients.keys() & labels.keys()) - series.keys() - WITHDRAWN
    what = "The folder of the patient holds no DICOM slice."
    fix = "download the series of this patient again, or remove its folder"
    refused = (
        RefusedCase(f"{_PREFIX}{number:04}", refusal(patients[number], what, fix))
        for number in sorted(empty)
    )
    without_image = labels.keys() - series.keys() - empty
    unlabelled = patients.keys() - labels.keys()
    notes = (
        *withdrawn_note(without_image),
        *left_out(without_image - WITHDRAWN, "with a label map and no scan"),
        *left_out(unlabelled, "without a multi-organ reference"),
    )
    return collect(root, (*cases_of(series, labels, meaning), *refused), notes)


def cases_of(
    series: Mapping[int, Path], labels: Mapping[int, Path], meaning: LabelMeaning
) -> Iterator[Case]:
    """Join the scans and label maps that both are there."""
    for number in sorted(series.keys() & labels.keys()):
        name = f"{_PREFIX}{number:04}"
        yield Case(name, name, series[number], meaning.map(labels[number], "by_hu"), SOURCE)


def patient_folders(root: Path) -> dict[int, Path]:
    """Find the folders of the patients by number; refuse a patient with two."""
    return by_number(require_inside(_patient_folders(root), root), _PREFIX)


def find_series(
    patients: Mapping[int, Path], root: Path, wanted: Collection[int]
) -> dict[int, Path]:
    """Find the folder of slices of each wanted patient that has one; refuse two of a patient."""
    found: dict[int, Path] = {}
    for number in sorted(patients.keys() & wanted):
        below = require_inside(folders_below(patients[number], _SERIES_DEPTH), root)
        folders = [folder for folder in below if holds_dicom(folder)]
        if len(folders) > 1:
            raise refusal(
                folders[1],
                f"The patient has {len(folders)} folders of DICOM slices, also "
                f"{folders[0].relative_to(root)}.",
                "keep the folder of one series; put slices of one series into one folder",
            )
        if folders:
            found[number] = folders[0]
    return found


def withdrawn_note(without_image: Set[int]) -> tuple[str, ...]:
    """Name the withdrawn ones among the cases without an image."""
    gone = sorted(without_image & WITHDRAWN)
    return tuple(f"{_PREFIX}{number:04} has no scan: TCIA withdrew it" for number in gone)


def _patient_folders(root: Path) -> list[Path]:
    return [
        folder
        for folder in folders_below(root, _DEPTH)
        if folder != root and re.match(rf"{_PREFIX}\d", folder.name, re.IGNORECASE)
    ]
