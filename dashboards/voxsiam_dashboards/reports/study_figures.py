"""The figures of a report: charts for the page, and pictures beside it for print."""

from pathlib import Path

import plotly.graph_objects as go
from matplotlib.figure import Figure

from voxsiam_dashboards.figures.feature_space import (
    draw_feature_space,
    feature_panels,
    feature_space,
)
from voxsiam_dashboards.figures.label_curve import draw_label_curve, label_curve, label_curves
from voxsiam_dashboards.figures.learning_curves import learning_curves
from voxsiam_dashboards.figures.organ_boxes import organ_boxes
from voxsiam_dashboards.figures.patient_scatter import partner_panels, patient_scatter
from voxsiam_dashboards.figures.surfaces import case_surfaces, draw_surfaces, surfaces
from voxsiam_dashboards.tables.report_table import ReportTable


def draw_figures(report: ReportTable, folder: Path, cache: Path) -> dict[str, go.Figure]:
    """Write the pictures and return the charts by name; what has no data is left out.

    Args:
        cache: Folder for what takes long to compute.
    """
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
            _save(picture, folder / name)
    charts = {
        "patients": patient_scatter(partner_panels(report)),
        "labels": label_curve(curves),
        "organs": organ_boxes(report),
        "surfaces": surfaces(bodies),
        "features": feature_space(panels),
        "curves": learning_curves(report),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


def _save(picture: Figure, path: Path) -> None:
    picture.savefig(path, dpi=110, metadata={"Software": None})
