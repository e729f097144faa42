"""Tables that may lie beside a data set: patients.csv, and crops.csv with the boxes of scans."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from voxsiam.errors import refusal
from voxsiam.types import CropBox
from voxsiam_data.manifest import Case
from voxsiam_data.text_files import read_csv_rows

PATIENTS_FILE, CROPS_FILE = "patients.csv", "crops.csv"
_EXTENTS = ("i_start", "i_stop", "j_start", "j_stop", "k_start", "k_stop")
CROPS_COLUMNS = ("case_id", *_EXTENTS)

Entry = TypeVar("Entry")


def group_by_patient(cases: tuple[Case, ...], root: Path) -> tuple[Case, ...]:
    """Fill in patients from `root/patients.csv`; without it every case is its own patient.

    The table has the columns case_id and patient_id, and may have source. It must name every
    case; it may name others.
    """
    path = root / PATIENTS_FILE
    if not path.exists():
        return cases
    rows = read_csv_rows(path, ("case_id", "patient_id"))
    table = _by_case(path, ((row["case_id"], row) for row in rows), "stands in two lines")
    absent = sorted(case.case_id for case in cases if case.case_id not in table)
    if absent:
        raise refusal(
            path,
            f"{len(absent)} cases are not in the table, first '{absent[0]}'.",
            "add a line 'case_id,patient_id' for each case",
        )
    named = [(case, table[case.case_id]) for case in cases]
    return tuple(
        replace(case, patient_id=row["patient_id"], source=row.get("source") or case.source)
        for case, row in named
    )


def with_crop_boxes(cases: tuple[Case, ...], root: Path) -> tuple[Case, ...]:
    """Fill in crop boxes from `root/crops.csv`; a case without a line keeps its whole scan.

    The table has the columns case_id and i_start, i_stop, j_start, j_stop, k_start, k_stop:
    voxels along the three axes of the image file in the order of its header, counted from 0, the
    start included and the stop excluded. It may name other cases. Whether a box lies in its scan
    is known when the scan is read.
    """
    path = root / CROPS_FILE
    if not path.exists():
        return cases
    rows = read_csv_rows(path, CROPS_COLUMNS)
    boxes = _by_case(path, ((row["case_id"], _box(path, row)) for row in rows), "has two boxes")
    return tuple(replace(case, crop_box=boxes.get(case.case_id)) for case in cases)


def _by_case(path: Path, entries: Iterable[tuple[str, Entry]], what: str) -> dict[str, Entry]:
    table: dict[str, Entry] = {}
    for case_id, entry in entries:
        if table.setdefault(case_id, entry) != entry:
            raise refusal(path, f"Case '{case_id}' {what} that differ.", "keep one of them")
    return table


def _box(path: Path, row: dict[str, str]) -> CropBox:
    texts = [row[name] for name in _EXTENTS]
    numbers = [int(text) for text in texts if text.isdecimal() and len(text) < 10]
    if len(numbers) < len(texts):
        raise refusal(
            path,
            f"The box of case '{row['case_id']}' is {', '.join(texts)[:80]}, not six whole "
            "numbers.",
            "give voxels counted from 0, without sign or decimal point",
        )
    i_start, i_stop, j_start, j_stop, k_start, k_stop = numbers
    box = (i_start, i_stop), (j_start, j_stop), (k_start, k_stop)
    if any(start >= stop for start, stop in box):
        raise refusal(
            path,
            f"The box of case '{row['case_id']}' is empty: {', '.join(texts)}.",
            "each stop must be larger than its start; the stop itself is excluded",
        )
    return box
