"""The feature space of test voxels (Fig. 3): one panel for each row and encoder level.

Points are coloured by organ. The silhouette beside a panel is that of the features themselves, by
cosine distance: 1 where every class is far from the others, 0 where they lie over each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float32, UInt8
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from voxsiam.types import organ_title
from voxsiam_dashboards.figures.embedding import METHODS, embed
from voxsiam_dashboards.figures.palette import ORGAN_COLOURS, plain_text
from voxsiam_dashboards.figures.styled import styled
from voxsiam_dashboards.store.trial_files import VoxelFeatures
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.text_table import TextTable

CLASSES = {"background": "#b3bac3"} | ORGAN_COLOURS
"""Colours of the classes, in the order of their values."""

_PANEL_HEIGHT = 250


@dataclass(frozen=True, eq=False)
class Panel:
    """One encoder level of one row.

    Attributes:
        row: The row's label.
        level: 1 is the deepest, as the paper counts.
        classes: Of each voxel.
        case_ids: The case of each voxel.
        planes: Place of each voxel by the name of the method; None where it cannot be drawn.
        silhouette: Of the features; None where it is not defined.
    """

    row: str
    level: int
    classes: UInt8[np.ndarray, " n"]
    case_ids: tuple[str, ...]
    planes: dict[str, Float32[np.ndarray, "n 2"] | None]
    silhouette: float | None

    @property
    def title(self) -> str:
        """What stands above the panel."""
        measured = "-" if self.silhouette is None else f"{self.silhouette:.2f}"
        return f"{self.row}, level {self.level}, silhouette {measured}"


def feature_panels(table: ReportTable, cache: Path) -> list[Panel]:
    """Place the voxels of each row's first seed that has kept any."""
    found = [(row, _first_features(row)) for row in table.rows]
    return [
        panel
        for row, features in found
        if features is not None
        for panel in _panels(row.label, features, cache)
    ]


def feature_space(panels: Sequence[Panel]) -> go.Figure | None:
    """Return the chart: rows below each other, levels side by side; None without panels."""
    if not panels:
        return None
    num_levels = max(panel.level for panel in panels)
    rows = list(dict.fromkeys(panel.row for panel in panels))
    figure = make_subplots(
        rows=len(rows),
        cols=num_levels,
        subplot_titles=_titles(panels, rows, num_levels),
        horizontal_spacing=0.02,
        vertical_spacing=min(0.12, 0.35 / len(rows)),
    )
    named: set[int] = set()
    for panel in panels:
        for value in np.unique(panel.classes):
            points = _points(panel, int(value), named=int(value) not in named)
            figure.add_trace(points, row=rows.index(panel.row) + 1, col=panel.level)
            named.add(int(value))
    figure.update_xaxes(showticklabels=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, showgrid=False)
    styled(figure, height=110 + _PANEL_HEIGHT * len(rows))
    figure.update_annotations(font_size=12).update_xaxes(mirror=True, linecolor="#d9dee5")
    figure.update_yaxes(mirror=True, linecolor="#d9dee5")
    figure.update_layout(legend={"y": -30 / (_PANEL_HEIGHT * len(rows))}, updatemenus=_menu(panels))
    return figure


def silhouette_table(panels: Sequence[Panel]) -> TextTable:
    """Write one line a row, one column an encoder level."""
    levels = range(1, max((panel.level for panel in panels), default=0) + 1)
    found = {(panel.row, panel.level): panel.silhouette for panel in panels}
    body = tuple(
        (row, *(_measured(found.get((row, level))) for level in levels))
        for row in dict.fromkeys(panel.row for panel in panels)
    )
    header = ("Row", *(f"Level {level}" for level in levels))
    return TextTable("Silhouette by cosine distance (-1 to 1)", header, body)


def _measured(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def draw_feature_space(panels: Sequence[Panel]) -> Figure | None:
    """Return the picture: the same panels, by the first method."""
    if not panels:
        return None
    num_levels = max(panel.level for panel in panels)
    rows = list(dict.fromkeys(panel.row for panel in panels))
    size = (3.2 * num_levels, 2.9 * len(rows) + 0.6)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(len(rows), num_levels, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for panel in panels:
        axes = grid[rows.index(panel.row), panel.level - 1]
        axes.set_title(plain_text(panel.title), fontsize=8)
        points = panel.planes[next(iter(METHODS))]
        if points is not None:
            colours = [list(CLASSES.values())[value] for value in panel.classes]
            axes.scatter(points[:, 0], points[:, 1], c=colours, s=5, linewidths=0)
    handles = [
        grid[0, 0].scatter([], [], c=colour, s=24, label=organ_title(name))
        for name, colour in CLASSES.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def silhouette(
    vectors: Float32[np.ndarray, "n c"], classes: UInt8[np.ndarray, " n"]
) -> float | None:
    """Return the mean silhouette by cosine distance; None with one class, or only single voxels."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(classes)) < len(classes):
        return None
    return float(silhouette_score(vectors, classes, metric="cosine"))


def _first_features(row: ReportRow) -> VoxelFeatures | None:
    return next((trial.features for trial in row.trials if trial.features is not None), None)


def _panels(label: str, features: VoxelFeatures, cache: Path) -> list[Panel]:
    panels = []
    for number, level in enumerate(features.levels, start=1):
        vectors = level.features.astype(np.float32)
        panels.append(
            Panel(
                row=label,
                level=number,
                classes=level.classes,
                case_ids=tuple(features.case_ids[case] for case in level.cases),
                planes={method: embed(method, vectors, cache) for method in METHODS},
                silhouette=silhouette(vectors, level.classes),
            )
        )
    return panels


def _titles(panels: Sequence[Panel], rows: Sequence[str], num_levels: int) -> list[str]:
    titles = {(panel.row, panel.level): escape(panel.title) for panel in panels}
    levels = range(1, num_levels + 1)
    # A subplot without a title takes the next one's: a blank holds its place.
    return [titles.get((row, level), " ") for row in rows for level in levels]


def _points(panel: Panel, value: int, *, named: bool) -> go.Scatter:
    name, colour = list(CLASSES.items())[value]
    x, y = _coordinates(panel, value, next(iter(METHODS)))
    cases = [case for case, found in zip(panel.case_ids, panel.classes, strict=True)
             if found == value]  # fmt: skip
    return go.Scatter(
        x=x,
        y=y,
        name=organ_title(name),
        legendgroup=name,
        showlegend=named,
        mode="markers",
        marker={"color": colour, "size": 4.5, "opacity": 0.85},
        text=[escape(case) for case in cases],
        hovertemplate="%{fullData.name}, case %{text}<extra></extra>",
    )


def _coordinates(panel: Panel, value: int, method: str) -> tuple[list[float], list[float]]:
    points = panel.planes[method]
    if points is None:
        return [], []
    x, y = points[panel.classes == value].T.astype(float).round(3).tolist()
    return x, y


def _menu(panels: Sequence[Panel]) -> list[dict[str, object]]:
    """Let the reader choose the method, where there are several."""
    if len(METHODS) < 2:
        return []
    buttons = []
    for method in METHODS:
        traces = [
            _coordinates(panel, int(value), method)
            for panel in panels
            for value in np.unique(panel.classes)
        ]
        x, y = ([trace[axis] for trace in traces] for axis in (0, 1))
        buttons.append({"label": method, "method": "restyle", "args": [{"x": x, "y": y}]})
    return [{"type": "buttons", "direction": "right", "x": 1, "xanchor": "right", "y": 1,
             "yanchor": "bottom", "pad": {"b": 24}, "buttons": buttons}]  # fmt: skip
