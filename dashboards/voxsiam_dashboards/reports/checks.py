"""The page of a data set's checks: every case with its picture, the worst first, offline."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from voxsiam.errors import UserError
from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.figures.overlays import LETTERS, Plane, coloured, pixel_aspect, to_picture
from voxsiam_dashboards.figures.palette import ORGAN_COLOURS
from voxsiam_dashboards.figures.png_address import png_address
from voxsiam_dashboards.reports.folder_swap import write_folder
from voxsiam_dashboards.reports.page import render_page
from voxsiam_data.checks.case import CaseReport
from voxsiam_data.checks.data_set import CheckReport
from voxsiam_data.checks.finding import SEVERITIES
from voxsiam_data.checks.json_record import record_of
from voxsiam_data.checks.pictures import Cut

PAGE, RECORD = "index.html", "checks.json"
MAX_ROWS = 400
"""Findings in the table of the page; checks.json holds all."""

_WIDTH = 255  # pixels on the screen: two stand side by side in a card


def write_check_page(report: CheckReport, directory: Path, command: str) -> Path:
    """Write the page and checks.json; an older pair is replaced in one step.

    Args:
        directory: A folder of its own; foreign files in it are refused, not deleted.

    Returns:
        Path of the page.
    """
    directory = directory.resolve()
    check_page_folder(directory)
    write_folder(directory, lambda folder: _write(report, folder, command))
    return directory / PAGE


def check_page_folder(directory: Path) -> None:
    """Refuse a folder that holds anything but an older page, or cannot be written.

    Raises:
        UserError: With the first of its foreign files.
    """
    try:
        _require_writable(directory)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The page cannot be written there ({type(error).__name__}).",
            where=str(directory),
            fix="choose a folder that you may write to, on a disk with room",
        ) from error
    if directory.is_dir():
        foreign = sorted({path.name for path in directory.iterdir()} - {PAGE, RECORD})
    else:
        foreign = [directory.name] if directory.exists() else []
    if foreign:
        raise UserError(
            f"The page would overwrite '{foreign[0]}', which is not part of one.",
            where=str(directory),
            fix="choose a folder of its own for the page",
        )


def _require_writable(directory: Path) -> None:
    """Try the nearest folder that is there: the page's own is made beside it, then renamed."""
    parent = directory.resolve().parent
    nearest = next(path for path in (parent, *parent.parents) if path.exists())
    with TemporaryDirectory(dir=nearest):
        pass


def _write(report: CheckReport, folder: Path, command: str) -> None:
    (folder / RECORD).write_text(json.dumps(record_of(report), indent=1), encoding="utf-8")
    (folder / PAGE).write_text(_page(report, command), encoding="utf-8")


def _page(report: CheckReport, command: str) -> str:
    findings = report.findings
    return render_page(
        "checks",
        report=report,
        severities=SEVERITIES,
        findings=findings[:MAX_ROWS],
        left_out=len(findings) - len(findings[:MAX_ROWS]),
        anchors={case.case_id: f"case-{n}" for n, case in enumerate(report.cases)},
        cards=[_card(case) for case in report.cases if case.picture or case.findings],
        sound=sum(not case.findings for case in report.cases),
        organs=[(organ_title(organ), ORGAN_COLOURS[organ]) for organ in ORGANS],
        record=RECORD,
        command=command,
    )


def _card(case: CaseReport) -> dict[str, Any]:
    """Put one case into the words and pictures of the page."""
    pictures = []
    if case.picture is not None:
        axial, coronal = case.picture.axial, case.picture.coronal
        pictures = [_picture(axial, "axial"), _picture(coronal, "coronal")]
    volumes = [f"{organ_title(one.organ)} {_figure(one.volume_ml)}" for one in case.organs]
    return {"case": case, "pictures": pictures, "grid": _grid(case), "volumes": ", ".join(volumes)}


def _grid(case: CaseReport) -> str:
    if case.shape is None or case.spacing_mm is None:
        return "not read"
    return f"{_times(case.shape)} voxels of {_times(case.spacing_mm)} mm"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)


def _picture(cut: Cut, plane: Plane) -> dict[str, Any]:
    # `to_picture` cuts volumes; a slice is a volume one voxel thick.
    axis = 0 if plane == "axial" else 1
    grey, labels = (
        to_picture(np.expand_dims(one, axis), plane, 0) for one in (cut.grey, cut.labels)
    )
    rows, columns = grey.shape
    row_mm, column_mm = cut.spacing_mm
    spacing_mm = (1.0, row_mm, column_mm) if plane == "axial" else (row_mm, 1.0, column_mm)
    height = _WIDTH * rows * pixel_aspect(spacing_mm, plane) / columns
    return {
        "data": png_address(coloured(grey.astype(np.float32) / 255, labels)),
        "title": f"{plane.capitalize()}, slice {cut.index}",
        "width": _WIDTH,
        "height": round(float(np.clip(height, _WIDTH / 5, _WIDTH * 3))),
        "letters": LETTERS[plane],
    }
