"""The report of a study: one page that opens offline, and its table for other programs."""

import base64
import shlex
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import plotly.graph_objects as go
import plotly.offline

from voxsiam.errors import UserError
from voxsiam.regular_files import read_regular
from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.organ_boxes import missed_by_row
from voxsiam_dashboards.figures.overlays import draw_overlays
from voxsiam_dashboards.figures.surfaces import MOST_VIEWS
from voxsiam_dashboards.reports.folder_swap import write_folder
from voxsiam_dashboards.reports.page import chart_fragment, render_page, turning_script
from voxsiam_dashboards.reports.seal import SEAL, seal_report
from voxsiam_dashboards.reports.study_figures import draw_figures
from voxsiam_dashboards.tables.cost_table import cost_table
from voxsiam_dashboards.tables.environment import environment_table
from voxsiam_dashboards.tables.files import to_csv, to_json, to_latex, to_markdown
from voxsiam_dashboards.tables.footnotes import data_kind, warnings
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import MEASURES
from voxsiam_dashboards.tables.settings import settings_table
from voxsiam_dashboards.tables.study_tables import (
    comparison_table,
    distance_table,
    patient_table,
    seed_table,
)

PAGE = "index.html"
OVERLAYS = "pictures/overlays.png"
_TURNS = """
const chart = document.getElementById("{plot_id}");
chart.on("plotly_relayout", (change) => turnTogether(chart, change));
"""
SCRIPTS = {"surfaces": f"{turning_script()}{_TURNS}"}
"""What a chart does beyond what plotly does by itself."""

FILES = {
    "table.csv": to_csv,
    "table.md": to_markdown,
    "table.tex": to_latex,
    "table.json": to_json,
}


def write_report(
    report: ReportTable,
    directory: Path,
    mlflow_ui: str = "http://127.0.0.1:5000",
    cache: Path | None = None,
) -> Path:
    """Write the page, the table as CSV, Markdown, LaTeX and JSON, the pictures, and their seal.

    An older report in `directory` is replaced in one step, so a kill leaves it as it was.

    Args:
        report: The table of the paper with what the study found.
        directory: A folder of its own; foreign files in it are refused, not deleted.
        mlflow_ui: Where the links lead: the address of an MLflow UI.
        cache: Keeps what takes long to compute for the next report; without it nothing is kept.

    Returns:
        Path of the page.
    """
    _check_address(mlflow_ui)
    directory = directory.resolve()
    _check_directory(directory)
    with tempfile.TemporaryDirectory() as passing:
        kept = cache or Path(passing)
        write_folder(directory, lambda folder: _write(report, folder, mlflow_ui.rstrip("/"), kept))
    return directory / PAGE


def _write(report: ReportTable, folder: Path, mlflow_ui: str, cache: Path) -> None:
    for name, render in FILES.items():
        (folder / name).write_text(render(report), encoding="utf-8")
    picture = folder / OVERLAYS
    picture.parent.mkdir()
    case_id = draw_overlays(report, picture)
    overlay = None
    if case_id is not None:
        encoded = base64.b64encode(read_regular(picture, 64 * 2**20)).decode("ascii")
        overlay = {"case_id": case_id, "data": f"data:image/png;base64,{encoded}"}
    charts = draw_figures(report, picture.parent, cache)
    (folder / PAGE).write_text(_page(report, overlay, charts, mlflow_ui), encoding="utf-8")
    seal_report(folder, report.results.study_id)


def _page(
    report: ReportTable,
    overlay: dict[str, str] | None,
    charts: dict[str, go.Figure],
    mlflow_ui: str,
) -> str:
    drawn = {name: chart_fragment(name, chart, SCRIPTS.get(name)) for name, chart in charts.items()}
    runs = f"{mlflow_ui}/#/experiments/{quote(report.results.experiment_id, safe='')}/runs"
    return render_page(
        "report",
        report=report,
        results=report.results,
        facts=study_facts(report),
        warnings=warnings(report.results),
        measures=MEASURES,
        organs={organ: organ_title(organ) for organ in ORGANS},
        compared=comparison_table(report),
        over_patients=patient_table(report),
        over_seeds=seed_table(report),
        distances=distance_table(report),
        missed=missed_by_row(report),
        settings=settings_table(report),
        cost=cost_table(report),
        environment=environment_table(report),
        overlay=overlay,
        captions=CAPTIONS,
        most_views=MOST_VIEWS,
        charts=drawn,
        plotly_js=plotly.offline.get_plotlyjs() if drawn else "",
        run_address=lambda run_id: f"{runs}/{quote(run_id, safe='')}",
        files=tuple(FILES),
        command=_command(report),
    )


def _command(report: ReportTable) -> str:
    seeds = max((row.planned for row in report.rows), default=0)
    options = f" --preset {shlex.quote(report.results.preset)}" if report.results.preset else ""
    options += f" --seeds {seeds}" if seeds else ""
    name = shlex.quote(report.name)
    return f"voxsiam study run {name}{options}\nvoxsiam study report {name}"


def study_facts(report: ReportTable) -> dict[str, str]:
    """What was run, as a list of names and values; what the plan does not say is left out."""
    results, plan = report.results, report.results.plan
    cases, data = _as_dict(plan.get("cases")), _as_dict(plan.get("data"))
    parts = ((part, cases.get(part)) for part in ("train", "validation", "test"))
    grid = plan.get("grid_hwd")
    facts = {
        "Preset": results.preset,
        "Data": f"{data.get('name') or results.fingerprints.get('data_name', '')}"
        f" ({data_kind(results)})",
        "Cases": ", ".join(f"{count} {part}" for part, count in parts if count is not None),
        "Grid (h x w x d)": " x ".join(map(str, grid)) if isinstance(grid, list) else "",
        "Workers": str(plan.get("workers", "")),
        "Study": results.study_id,
    }
    return {name: value for name, value in facts.items() if value.strip()}


def _as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_address(mlflow_ui: str) -> None:
    if urlsplit(mlflow_ui).scheme not in ("http", "https"):
        raise UserError(
            f"'{mlflow_ui}' is no web address",
            where="the address of the MLflow UI",
            fix="give one that starts with http:// or https://",
        )


def _check_directory(directory: Path) -> None:
    ours = {PAGE, SEAL, *FILES, Path(OVERLAYS).parts[0]}
    if directory.is_dir():
        foreign = sorted({path.name for path in directory.iterdir()} - ours)
    else:
        foreign = [directory.name] if directory.exists() else []
    if foreign:
        raise UserError(
            f"the report would overwrite '{foreign[0]}', which is not part of one",
            where=str(directory),
            fix="choose a folder of its own for the report",
        )
