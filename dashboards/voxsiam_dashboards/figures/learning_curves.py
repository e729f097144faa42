"""Loss and validation DSC over the epochs of a training."""

import statistics
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from voxsiam_dashboards.figures.look import row_colour, styled
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow

Curve = dict[int, float]
"""Value by epoch."""

CURVES = {"train/loss": "Training loss", "validation/dsc": "Validation DSC (0 to 1)"}


def learning_curves(table: ReportTable) -> go.Figure | None:
    """Loss and validation DSC over epochs: a thin line for each seed, a thick one for their mean.

    A curve that no run has gets no panel; None where no run has any.
    """
    logged = {name for row in table.rows for trial in row.trials for name in trial.curves["metric"]}
    shown = [name for name in CURVES if name in logged]
    if not shown:
        return None
    figure = make_subplots(rows=1, cols=len(shown), subplot_titles=[CURVES[name] for name in shown])
    for column, metric in enumerate(shown, start=1):
        for index, row in enumerate(table.rows):
            for line in _lines(row, metric, row_colour(index), named=column == 1):
                figure.add_trace(line, row=1, col=column)
    figure.update_xaxes(title_text="Epochs done")
    return styled(figure, height=400)


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Mean over seeds at each step that all of these curves have reached."""
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    return {step: statistics.fmean(curve[step] for curve in curves) for step in common}


def _lines(row: ReportRow, metric: str, colour: str, *, named: bool) -> list[go.Scatter]:
    curves = {trial.seed: trial.curve(metric) for trial in row.trials}
    curves = {seed: curve for seed, curve in curves.items() if curve}
    if not curves:
        return []
    thin = {"color": colour, "width": 1}
    lines = [
        _line(curve, (row.label, f"{row.label}, seed {seed}"), {"line": thin, "opacity": 0.4})
        for seed, curve in curves.items()
        if len(curves) > 1
    ]
    mean = mean_curve(list(curves.values()))
    thick = {"color": colour, "width": 2.5}
    return [*lines, _line(mean, (row.label, row.label), {"line": thick, "showlegend": named})]


def _line(curve: Curve, names: tuple[str, str], look: dict[str, object]) -> go.Scatter:
    group, name = (escape(one) for one in names)
    return go.Scatter(
        x=list(curve),
        y=list(curve.values()),
        name=name,
        legendgroup=group,
        mode="lines" if len(curve) > 1 else "markers",
        hovertemplate="%{fullData.name}<br>epoch %{x}: %{y:.4f}<extra></extra>",
        **({"showlegend": False} | look),
    )
