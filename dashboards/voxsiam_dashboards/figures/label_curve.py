"""DSC against the share of labelled training cases (Fig. 7), where a study has several shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from matplotlib.figure import Figure

from voxsiam.statistics.interval import Interval
from voxsiam_dashboards.figures.look import GRID, plain_text, row_colour, styled
from voxsiam_dashboards.tables.comparison_notes import few_notes
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.row_tests import between
from voxsiam_dashboards.tables.text_table import TextTable

AXES = ("Labelled training cases (%)", "DSC (0 to 1)")
PAPER = "the paper's figure"
COLUMNS = (
    "Method", "Labelled", "Measured", "Seeds", "95 % over patients", "paper", "measured - paper",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One row of the table on the curve: its DSC over seeds, and that of each.

    Attributes:
        percent: Share of the training cases that it saw.
        interval: Of the mean, 95 % over patients.
    """

    percent: float
    mean: float
    seeds: tuple[float, ...]
    patients: int
    interval: Interval | None


@dataclass(frozen=True)
class Curve:
    """One method; the shares grow.

    Attributes:
        printed: The paper's percent and DSC.
    """

    method: str
    colour: str
    points: tuple[Point, ...]
    printed: tuple[tuple[float, float], ...]

    @property
    def band(self) -> tuple[list[float], list[float], list[float]]:
        """Percent, lower and upper end, where there is an interval."""
        found = [(p.percent, p.interval) for p in self.points if p.interval is not None]
        percents = [percent for percent, _ in found]
        return percents, [each.low for _, each in found], [each.high for _, each in found]


def label_curves(table: ReportTable) -> list[Curve]:
    """Sort the rows into one curve for each method; none where all rows have one share."""
    if len({row.label_fraction for row in table.rows}) < 2:
        return []
    methods = dict.fromkeys(row.method for row in table.rows)
    return [_curve(method, row_colour(index), table) for index, method in enumerate(methods)]


def label_curve(curves: Sequence[Curve]) -> go.Figure | None:
    """Return the chart; None without a point."""
    if not any(curve.points for curve in curves):
        return None
    figure = go.Figure()
    for curve in curves:
        for trace in _traces(curve):
            figure.add_trace(trace)
    figure.update_xaxes(title_text=AXES[0], range=[0, 104])
    figure.update_yaxes(title_text=AXES[1], rangemode="tozero")
    return styled(figure, height=440)


def draw_label_curve(curves: Sequence[Curve]) -> Figure | None:
    """Return the picture of the same; None without a point."""
    if not any(curve.points for curve in curves):
        return None
    figure = Figure(figsize=(7.2, 4.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for curve in curves:
        colour, name = curve.colour, plain_text(curve.method)
        percents, low, high = curve.band
        axes.fill_between(percents, low, high, color=colour, alpha=0.15, linewidth=0)
        means = [(point.percent, point.mean) for point in curve.points]
        axes.plot(*_columns(means), color=colour, label=name)
        seeds = [(point.percent, value) for point in curve.points for value in point.seeds]
        axes.plot(*_columns(seeds), "o", color=colour, markersize=3.5)
        axes.plot(*_columns(curve.printed), "D", color=colour, markerfacecolor="none",
                  label=f"{name}, {PAPER}")  # fmt: skip
    axes.set(xlabel=AXES[0], ylabel=AXES[1], xlim=(0, 104))
    axes.set_ylim(bottom=0)
    axes.grid(color=GRID)
    axes.legend(frameon=False, fontsize=8)
    return figure


def label_table(curves: Sequence[Curve]) -> TextTable:
    """Write one line for each method and share that was measured, or stands in the paper."""
    body: list[tuple[str, ...]] = []
    for curve in curves:
        points = {round(point.percent, 6): point for point in curve.points}
        printed = {round(percent, 6): value for percent, value in curve.printed}
        body += [
            (curve.method, f"{percent:g} %", *_cells(points.get(percent), printed.get(percent)))
            for percent in sorted({*points, *printed})
        ]
    patients = [point.patients for curve in curves for point in curve.points if point.interval]
    notes = few_notes(min(patients)) if patients else ()
    return TextTable("DSC by share of labelled cases (0 to 1)", COLUMNS, tuple(body), notes)


def _cells(point: Point | None, printed: float | None) -> tuple[str, ...]:
    """Write what was measured, its seeds and interval, the paper's, and the difference."""
    paper = "-" if printed is None else f"{printed:.3f}"
    if point is None:
        return ("not finished", "0", "-", paper, "-")
    interval = between(point.interval, point.patients).strip() or "too few patients"
    difference = "-" if printed is None else f"{point.mean - printed:+.3f}"
    return (f"{point.mean:.3f}", str(len(point.seeds)), interval, paper, difference)


def _curve(method: str, colour: str, table: ReportTable) -> Curve:
    own = [row for row in table.rows if row.method == method]
    compared = {each.row: each for each in table.comparisons.rows}
    points, printed = [], []
    for row in sorted(own, key=lambda row: row.label_fraction):
        percent, cell = 100 * row.label_fraction, row.cells["dsc"]
        if cell.mean is not None:
            tested = compared[row.label]
            seeds = tuple(cell.values)
            points.append(Point(percent, cell.mean, seeds, tested.patients, tested.interval))
        if cell.printed is not None:
            printed.append((percent, cell.printed))
    return Curve(method, colour, tuple(points), tuple(printed))


def _traces(curve: Curve) -> list[go.Scatter]:
    percents, low, high = curve.band
    band = percents + percents[::-1], high + low[::-1]
    spread = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    filled = {"fill": "toself", "fillcolor": curve.colour, "opacity": 0.15}
    seeds = _columns([(point.percent, value) for point in curve.points for value in point.seeds])
    hover = {"hovertemplate": "%{x:.0f} %: %{y:.3f}<extra>%{fullData.name}</extra>"}
    dots = {"mode": "markers", "marker": {"color": curve.colour, "size": 6}} | hover
    means = _columns([(point.percent, point.mean) for point in curve.points])
    line = {"mode": "lines", "line": {"color": curve.colour, "width": 2.5}} | hover
    hollow = {"color": curve.colour, "size": 10, "symbol": "diamond-open", "line": {"width": 2}}
    paper = {"mode": "markers", "marker": hollow} | hover
    return [
        _trace(curve, ", interval", band, spread | filled),
        _trace(curve, ", seeds", seeds, dots),
        _trace(curve, "", means, line | {"showlegend": True}),
        _trace(curve, f", {PAPER}", _columns(curve.printed), paper | {"showlegend": True}),
    ]


def _trace(
    curve: Curve, part: str, places: tuple[list[float], list[float]], look: Mapping[str, object]
) -> go.Scatter:
    x, y = places
    name, group = escape(curve.method + part), escape(curve.method)
    return go.Scatter(x=x, y=y, name=name, legendgroup=group, **{"showlegend": False, **look})


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]
