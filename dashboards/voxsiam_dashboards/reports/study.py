"""The report of a study: one page that opens offline, its pictures, and its table in files."""

import base64
import shlex
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

import plotly.graph_objects as go
import plotly.offline

from voxsiam.errors import UserError
from voxsiam.regular_files import read_regular
from voxsiam.types import organ_title
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.feature_space import (
    draw_feature_space,
    feature_panels,
    feature_space,
)
from voxsiam_dashboards.figures.label_curve import draw_label_curve, label_curve, label_curves
from voxsiam_dashboards.figures.learning_curves import learning_curves
from voxsiam_dashboards.figures.organ_boxes import missed_by_row, organ_boxes
from voxsiam_dashboards.figures.overlays import draw_overlays
from voxsiam_dashboards.figures.patient_scatter import partner_panels, patient_scatter
from voxsiam_dashboards.figures.surfaces import MOST_VIEWS, case_surfaces, draw_surfaces, surfaces
from voxsiam_dashboards.reports.folder_swap import foreign_file, write_folder
from voxsiam_dashboards.reports.page import PAGE, chart_fragments, page_part, render_page
from voxsiam_dashboards.reports.seal import SEAL, seal_report
from voxsiam_dashboards.tables.case_scores import to_scores_csv
from voxsiam_dashboards.tables.files import to_csv, to_json, to_latex, to_markdown
from voxsiam_dashboards.tables.footnotes import data_kind, warnings
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import MEASURES
from voxsiam_dashboards.tables.study_tables import environment_table, report_tables

OVERLAYS, SCORES = "pictures/overlays.png", "scores.csv"
FILES = {
    "table.csv": to_csv,
    "table.md": to_markdown,
    "table.tex": to_latex,
    "table.json": to_json,
    SCORES: to_scores_csv,
}


def write_report(
    report: ReportTable,
    directory: Path,
    mlflow_ui: str = "http://127.0.0.1:5000",
    cache: Path | None = None,
) -> Path:
    """Write the page, the table as CSV, Markdown, LaTeX and JSON, all scores, pictures, their seal.

    An older report in `directory` is replaced in one step, so a kill leaves it as it was.

    Args:
        directory: A folder of its own; foreign files in it are refused, not deleted.
        mlflow_ui: Where the links lead: the address of an MLflow UI.
        cache: Keeps what takes long to compute for the next report; without it nothing is kept.

    Returns:
        Path of the page.
    """
    if urlsplit(mlflow_ui).scheme not in ("http", "https"):
        raise UserError(
            f"'{mlflow_ui}' is no web address",
            where="the address of the MLflow UI",
            fix="give one that starts with http:// or https://",
        )
    directory = directory.resolve()
    foreign = foreign_file(directory, {PAGE, SEAL, *FILES, Path(OVERLAYS).parts[0]})
    if foreign is not None:
        raise UserError(
            f"the report would overwrite '{foreign}', which is not part of one",
            where=str(directory),
            fix="choose a folder of its own for the report",
        )
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
    charts = chart_fragments(draw_figures(report, picture.parent, cache))
    (folder / PAGE).write_text(_page(report, overlay, charts, mlflow_ui), encoding="utf-8")
    seal_report(folder, report.results.study_id)


def draw_figures(report: ReportTable, folder: Path, cache: Path) -> dict[str, go.Figure | None]:
    """Write the pictures that have data, and return the charts by name; None without data."""
    curves = label_curves(report)
    panels = feature_panels(report, cache)
    bodies = case_surfaces(report)
    pictures = {
        "label_curve.png": draw_label_curve(curves),
        "feature_space.png": draw_feature_space(panels),
        "surfaces.png": draw_surfaces(bodies),
    }
    for name, picture in pictures.items():
        if picture is not None:
            picture.savefig(folder / name, dpi=110, metadata={"Software": None})
    return {
        "patients": patient_scatter(partner_panels(report)),
        "labels": label_curve(curves),
        "organs": organ_boxes(report),
        "surfaces": surfaces(bodies),
        "features": feature_space(panels),
        "curves": learning_curves(report),
    }


def _page(
    report: ReportTable, overlay: dict[str, str] | None, charts: dict[str, str], mlflow_ui: str
) -> str:
    runs = f"{mlflow_ui}/#/experiments/{quote(report.results.experiment_id, safe='')}/runs"
    return render_page(
        "report",
        report=report,
        facts=study_facts(report),
        warnings=warnings(report.results),
        measures=MEASURES,
        organs={organ: organ_title(organ) for organ in report.organs},
        tables=report_tables(report),
        missed=missed_by_row(report),
        environment=environment_table(report),
        overlay=overlay,
        captions=CAPTIONS,
        most_views=MOST_VIEWS,
        charts=charts,
        filter_js=page_part("filter.js"),
        plotly_js=plotly.offline.get_plotlyjs() if charts else "",
        run_address=lambda run_id: f"{runs}/{quote(run_id, safe='')}",
        files=tuple(FILES),
        command=_command(report),
    )


def _command(report: ReportTable) -> str:
    seeds = max((row.planned for row in report.rows), default=0)
    options = f" --preset {shlex.quote(report.results.preset)}" if report.results.preset else ""
    options += f" --seeds {seeds}" if seeds else ""
    name = shlex.quote(report.table.name)
    return f"voxsiam {report.table.command}{options}\nvoxsiam study report {name}"


def study_facts(report: ReportTable) -> dict[str, str]:
    """What was run, as a list of names and values; what the plan does not say is left out."""
    results, plan = report.results, report.results.plan
    told = (plan.get("cases"), plan.get("data"))
    cases, data = (each if isinstance(each, dict) else {} for each in told)
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
