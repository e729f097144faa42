"""cropping.csv of Zenodo 1169361: the part of a scan that its annotators looked at.

The table is known from its users only (method, D.1): extents in voxels, left, right, ant, post,
inf, sup, those of the second axis counted from its other end; some entries are said to be wrong.
So a box is believed only where it holds all organs of its label map, and only for BTCV: which way
the maps of Pancreas-CT lie on their scans is not known before the scan is read.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxsiam.errors import refusal
from voxsiam.types import CropBox
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.volume_file import read_volume
from voxsiam_data.manifest import Case
from voxsiam_data.sources.case_files import folders_below
from voxsiam_data.sources.found import Found
from voxsiam_data.sources.layouts import btcv, pancreas_ct
from voxsiam_data.text_files import read_csv_rows

FILE_NAME = "cropping.csv"
_EXTENTS = ("left", "right", "ant", "post", "inf", "sup")
_COLUMNS = ("publisher", "original_id", *(f"extent_{name}" for name in _EXTENTS))
_PUBLISHER = "Synapse"
_DEPTH = 3


def with_zenodo_boxes(found: Found, folder: Path) -> Found:
    """Fill in the boxes of BTCV's cases that have none, from a cropping.csv below a folder.

    Reads every label map that has a line. Without a cropping.csv nothing changes.
    """
    path = next((p for f in folders_below(folder, _DEPTH) if (p := f / FILE_NAME).is_file()), None)
    if path is None:
        return found
    rows = _rows_by_number(path)
    cases, notes = list[Case](), list[str]()
    for case in found.manifest.cases:
        number = re.fullmatch(r"BTCV_(\d{4})", case.case_id)
        extents = rows.get(int(number[1])) if number and case.source == btcv.SOURCE else None
        box = case.crop_box or (extents and _believed_box(case, extents))
        cases.append(replace(case, crop_box=box))
        if extents and not box:
            notes.append(f"{case.case_id} is not cropped: its box does not hold its organs")
    if any(case.source == pancreas_ct.SOURCE for case in cases):
        notes.append(f"the boxes of Pancreas-CT in {FILE_NAME} are not used")
    manifest = replace(found.manifest, cases=tuple(cases))
    return replace(found, manifest=manifest, notes=(*found.notes, *notes))


def _rows_by_number(path: Path) -> Mapping[int, tuple[int, ...]]:
    rows: dict[int, tuple[int, ...]] = {}
    for row in read_csv_rows(path, _COLUMNS):
        if row["publisher"] != _PUBLISHER:
            continue
        cells = [row[name] for name in _COLUMNS[1:]]
        if not all(re.fullmatch(r"[0-9]{1,6}(\.0+)?", cell) for cell in cells):
            raise refusal(
                path,
                f"The line of case '{row['original_id'][:40]}' holds something that is no number.",
                "fetch the file again: voxsiam data fetch zenodo-labels -o FOLDER",
            )
        number, *extents = (int(float(cell)) for cell in cells)
        rows[number] = tuple(extents)
    return rows


def _believed_box(case: Case, extents: tuple[int, ...]) -> CropBox | None:
    if not isinstance(case.label, LabelMap):
        return None
    array = np.asarray(read_volume(case.label.path).array)
    left, right, ant, post, inf, sup = extents
    # Along the axes of the label map, and so of its scan.
    ends = (left, right), (array.shape[1] - ant, array.shape[1] - post), (inf, sup)
    i, j, k = (
        (max(min(pair), 0), min(max(pair), length))
        for pair, length in zip(ends, array.shape, strict=True)
    )
    organs = np.isin(array, [value for value, organ in case.label.values.items() if organ])
    inside = organs[tuple(slice(*extent) for extent in (i, j, k))]
    whole = organs.any() and np.count_nonzero(inside) == np.count_nonzero(organs)
    return (i, j, k) if whole else None
