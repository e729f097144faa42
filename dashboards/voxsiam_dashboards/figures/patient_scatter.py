"""Patient by patient: two rows' figures of the same patients against each other."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from voxsiam_dashboards.figures.look import ROW_COLOURS, styled
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.row_tests import RowTest
from voxsiam_dashboards.tables.two_rows import RowPair
from voxsiam_dashboards.tables.two_rows_tables import DSC

ACROSS = 3
"""Panels side by side."""

_TITLE_LETTERS = 42
_DASHED = {"color": "#9aa5b1", "dash": "dash", "width": 1}
_PANEL_HEIGHT, _BETWEEN = 300, 130  # pixels; the titles stand between two panels


@dataclass(frozen=True)
class ScatterPanel:
    """Two rows in one measure.

    Attributes:
        title: What is measured, or whom the panel is of.
        told: Difference, interval and test.
        level: Title of the level axis; `upright` that of the other.
        patients: Figure on the level, then on the upright axis, by patient.
    """

    title: str
    told: str
    level: str
    upright: str
    patients: Mapping[str, tuple[float, float]]


def measure_panels(pair: RowPair) -> list[ScatterPanel]:
    """Make a panel for each measure of two rows: B over A."""
    tests = {DSC: pair.dsc} | {each.what: each.test for each in pair.distances}
    return [
        ScatterPanel(what, f"B - A {_told(test)}", "A", "B", test.by_patient)
        for what, test in tests.items()
    ]


def partner_panels(report: ReportTable) -> list[ScatterPanel]:
    """Make a panel for each row that was compared with its partner, of their DSC."""
    return [
        ScatterPanel(each.row, _told(each.test), f"{DSC}, {each.partner}", "this row",
                     each.test.by_patient)
        for each in report.comparisons.rows
        if each.test is not None
    ]  # fmt: skip


def patient_scatter(panels: Sequence[ScatterPanel]) -> go.Figure | None:
    """Return the chart; None without a panel."""
    if not panels:
        return None
    lines = -(-len(panels) // ACROSS)
    height = lines * (_PANEL_HEIGHT + _BETWEEN)
    figure = make_subplots(
        rows=lines,
        cols=ACROSS,
        subplot_titles=[f"<b>{_wrapped(panel.title)}</b><br>{panel.told}" for panel in panels],
        horizontal_spacing=0.08,
        vertical_spacing=_BETWEEN / height if lines > 1 else 0,
    )
    for place, panel in enumerate(panels):
        row, column = place // ACROSS + 1, place % ACROSS + 1
        ends = _ends(panel)
        # On this line both are alike.
        same = go.Scatter(x=ends, y=ends, mode="lines", line=_DASHED, hoverinfo="skip")
        figure.add_traces([same, _points(panel)], rows=row, cols=column)
        figure.update_xaxes(title_text=_wrapped(panel.level), range=ends, row=row, col=column)
        figure.update_yaxes(title_text=_wrapped(panel.upright), range=ends, row=row, col=column)
    styled(figure, height)
    figure.update_annotations(font_size=12.5, yshift=6)
    return figure.update_layout(showlegend=False, margin_t=_BETWEEN - 50)


def _told(test: RowTest) -> str:
    units = f"{test.patients} patients x {test.seeds} seeds"
    p = test.p_value_text
    if test.p_value is not None:
        p = f"p {escape(p)}" if p.startswith("<") else f"p = {p}"
    return f"{test.difference_text}<br>{units}, {p}"


def _wrapped(text: str) -> str:
    """Break a long name, and keep markup in it text."""
    return "<br>".join(escape(line) for line in textwrap.wrap(text, _TITLE_LETTERS, max_lines=2))


def _ends(panel: ScatterPanel) -> list[float]:
    """Return the ends of both axes, so that the diagonal is one: all figures, and some room."""
    values = [value for pair in panel.patients.values() for value in pair]
    room = 0.08 * (max(values) - min(values)) or 0.05
    return [min(values) - room, max(values) + room]


def _points(panel: ScatterPanel) -> go.Scatter:
    return go.Scatter(
        x=[level for level, _ in panel.patients.values()],
        y=[upright for _, upright in panel.patients.values()],
        text=[escape(patient) for patient in panel.patients],
        mode="markers",
        marker={"color": ROW_COLOURS[0], "size": 8, "opacity": 0.75},
        hovertemplate="%{text}: %{x:.3f}, then %{y:.3f}<extra></extra>",
    )
