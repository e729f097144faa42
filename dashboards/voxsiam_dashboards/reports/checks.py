"""The page of a data set's checks: every case with its picture, the worst first, offline."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from voxsiam.errors import UserError
from voxsiam.types import organ_title
from voxsiam_dashboards.figures.look import organ_colours
from voxsiam_dashboards.figures.overlays import LETTERS, Plane, slice_address
from voxsiam_dashboards.reports.folder_swap import foreign_file, write_folder
from voxsiam_dashboards.reports.page import PAGE, render_page
from voxsiam_data.checks.case import CaseReport
from voxsiam_data.checks.data_set import CheckReport
from voxsiam_data.checks.finding import SEVERITIES
from voxsiam_data.checks.pictures import Cut

RECORD = "checks.json"
MAX_ROWS = 400
"""Findings in the table of the page; checks.json holds all."""

_WIDTH = 255  # pixels on the screen: two stand side by side in a card


def write_check_page(report: CheckReport, directory: Path, command: str) -> Path:
    """Write the page and checks.json, and return the page; an older pair is replaced in one step.

    Args:
        directory: A folder of its own; foreign files in it are refused, not deleted.
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
        # The page's folder is made beside its place, in the nearest folder that is there.
        nearest = next(path for path in directory.resolve().parents if path.exists())
        with TemporaryDirectory(dir=nearest):
            pass
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The page cannot be written there ({type(error).__name__}).",
            where=str(directory),
            fix="choose a folder that you may write to, on a disk with room",
        ) from error
    foreign = foreign_file(directory, {PAGE, RECORD})
    if foreign is not None:
        raise UserError(
            f"The page would overwrite '{foreign}', which is not part of one.",
            where=str(directory),
            fix="choose a folder of its own for the page",
        )


def _write(report: CheckReport, folder: Path, command: str) -> None:
    (folder / RECORD).write_text(json.dumps(report.record(), indent=1), encoding="utf-8")
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
        cards=[
            _card(case, report.organs) for case in report.cases if case.picture or case.findings
        ],
        sound=sum(not case.findings for case in report.cases),
        organs=[(organ_title(o), colour) for o, colour in organ_colours(report.organs).items()],
        record=RECORD,
        command=command,
    )


def _card(case: CaseReport, organs: Sequence[str]) -> dict[str, Any]:
    """Put one case into the words and pictures of the page."""
    pictures = []
    if case.picture is not None:
        axial, coronal = case.picture.axial, case.picture.coronal
        pictures = [_picture(axial, "axial", organs), _picture(coronal, "coronal", organs)]
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


def _picture(cut: Cut, plane: Plane, organs: Sequence[str]) -> dict[str, Any]:
    grey = cut.grey.astype(np.float32) / 255
    address, height = slice_address(grey, cut.labels, cut.spacing_mm, organs, _WIDTH, _WIDTH / 5)
    return {
        "data": address,
        "title": f"{plane.capitalize()}, slice {cut.index}",
        "width": _WIDTH,
        "height": height,
        "letters": LETTERS[plane],
    }
