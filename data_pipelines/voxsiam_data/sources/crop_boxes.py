"""crops.csv: which part of a case's scan belongs to its label map."""

from dataclasses import replace
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import CropBox
from voxsiam_data.manifest import Case
from voxsiam_data.text_files import read_csv_rows

FILE_NAME = "crops.csv"
_EXTENTS = ("i_start", "i_stop", "j_start", "j_stop", "k_start", "k_stop")
COLUMNS = ("case_id", *_EXTENTS)


def with_crop_boxes(cases: tuple[Case, ...], root: Path) -> tuple[Case, ...]:
    """Fill in crop boxes from `root/crops.csv`; a case without a line keeps its whole scan.

    The table has the columns case_id and i_start, i_stop, j_start, j_stop, k_start, k_stop:
    voxels along the three axes of the image file in the order of its header, counted from 0, the
    start included and the stop excluded. It may name other cases. Whether a box lies in its scan
    is known when the scan is read.
    """
    path = root / FILE_NAME
    if not path.exists():
        return cases
    boxes: dict[str, CropBox] = {}
    for row in read_csv_rows(path, COLUMNS):
        case_id = row["case_id"]
        box = _box(path, case_id, row)
        if boxes.setdefault(case_id, box) != box:
            raise UserError(
                f"Case '{case_id}' has two boxes that differ.",
                where=str(path),
                fix="keep one of them",
            )
    return tuple(replace(case, crop_box=boxes.get(case.case_id)) for case in cases)


def _box(path: Path, case_id: str, row: dict[str, str]) -> CropBox:
    texts = [row[name] for name in _EXTENTS]
    numbers = [int(text) for text in texts if text.isdecimal() and len(text) < 10]
    if len(numbers) < len(texts):
        raise UserError(
            f"The box of case '{case_id}' is {', '.join(texts)[:80]}, not six whole numbers.",
            where=str(path),
            fix="give voxels counted from 0, without sign or decimal point",
        )
    i_start, i_stop, j_start, j_stop, k_start, k_stop = numbers
    box = (i_start, i_stop), (j_start, j_stop), (k_start, k_stop)
    if any(start >= stop for start, stop in box):
        raise UserError(
            f"The box of case '{case_id}' is empty: {', '.join(texts)}.",
            where=str(path),
            fix="each stop must be larger than its start; the stop itself is excluded",
        )
    return box
