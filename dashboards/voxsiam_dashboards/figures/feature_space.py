"""The feature space of test voxels (Fig. 3): one panel for each row and encoder level.

Points are coloured by organ. The silhouette beside a panel is that of the features themselves, by
cosine distance: 1 where every class is far from the others, 0 where they lie over each other.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float32, UInt8
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from voxsiam.durable_files import write_text_atomically
from voxsiam.small_files import LARGE, read_json
from voxsiam.types import organ_title
from voxsiam_dashboards.figures.look import organ_colours, plain_text, styled
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

_BACKGROUND = "#b3bac3"
_MOST_NAMED = 32

Vectors = Float32[np.ndarray, "n c"]
Points = Float32[np.ndarray, "n 2"]

FEWEST_VECTORS = 8
_SEED = 0
_NEIGHBOURS = 30

_PANEL_HEIGHT = 250


@dataclass(frozen=True, eq=False)
class Panel:
    """One encoder level of one row, with class and case of each voxel.

    Attributes:
        level: 1 is the deepest, as the paper counts.
        organs: What the classes behind the background are.
        planes: Place of each voxel by the name of the method; None where it cannot be drawn.
        silhouette: Of the features; None where it is not defined.
    """

    row: str
    level: int
    classes: UInt8[np.ndarray, " n"]
    case_ids: tuple[str, ...]
    organs: tuple[str, ...]
    planes: dict[str, Points | None]
    silhouette: float | None

    @property
    def colours(self) -> dict[str, str]:
        """Colours of the classes, in the order of their values."""
        return {"background": _BACKGROUND} | organ_colours(self.organs)

    @property
    def title(self) -> str:
        """What stands above the panel."""
        measured = "-" if self.silhouette is None else f"{self.silhouette:.2f}"
        return f"{self.row}, level {self.level}, silhouette {measured}"


def feature_panels(table: ReportTable, cache: Path) -> list[Panel]:
    """Place the voxels of each row's first seed that has kept any."""
    panels: list[Panel] = []
    for row in table.rows:
        features = next((t.features for t in row.trials if t.features is not None), None)
        if features is None:
            continue
        for number, level in enumerate(features.levels, start=1):
            vectors = level.features.astype(np.float32)
            panels.append(
                Panel(
                    row=row.label,
                    level=number,
                    classes=level.classes,
                    case_ids=tuple(features.case_ids[case] for case in level.cases),
                    organs=table.results.organs,
                    planes={method: embed(method, vectors, cache) for method in METHODS},
                    silhouette=silhouette(vectors, level.classes),
                )
            )
    return panels


def feature_space(panels: Sequence[Panel]) -> go.Figure | None:
    """Return the chart: rows below each other, levels side by side; None without panels."""
    if not panels:
        return None
    rows, levels = _grid(panels)
    titles = {(panel.row, panel.level): escape(panel.title) for panel in panels}
    figure = make_subplots(
        rows=len(rows),
        cols=len(levels),
        # A subplot without a title takes the next one's: a blank holds its place.
        subplot_titles=[titles.get((row, level), " ") for row in rows for level in levels],
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
    rows, levels = _grid(panels)
    found = {
        (panel.row, panel.level): f"{panel.silhouette:.3f}"
        for panel in panels
        if panel.silhouette is not None
    }
    body = tuple((row, *(found.get((row, level), "-") for level in levels)) for row in rows)
    header = ("Row", *(f"Level {level}" for level in levels))
    return TextTable("Silhouette by cosine distance (-1 to 1)", header, body)


def draw_feature_space(panels: Sequence[Panel]) -> Figure | None:
    """Return the picture: the same panels, by the first method."""
    if not panels:
        return None
    rows, levels = _grid(panels)
    size = (3.2 * len(levels), 2.9 * len(rows) + 0.6)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(len(rows), len(levels), squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for panel in panels:
        axes = grid[rows.index(panel.row), panel.level - 1]
        axes.set_title(plain_text(panel.title), fontsize=8)
        points = panel.planes[next(iter(METHODS))]
        if points is not None:
            known = list(panel.colours.values())
            colours = [known[value] for value in panel.classes]
            axes.scatter(points[:, 0], points[:, 1], c=colours, s=5, linewidths=0)
    handles = [
        grid[0, 0].scatter([], [], c=colour, s=24, label=organ_title(name))
        for name, colour in list(panels[0].colours.items())[:_MOST_NAMED]
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


def _grid(panels: Sequence[Panel]) -> tuple[list[str], range]:
    rows = list(dict.fromkeys(panel.row for panel in panels))
    return rows, range(1, max((panel.level for panel in panels), default=0) + 1)


def _points(panel: Panel, value: int, *, named: bool) -> go.Scatter:
    name, colour = list(panel.colours.items())[value]
    x, y = _coordinates(panel, value, next(iter(METHODS)))
    return go.Scatter(
        x=x,
        y=y,
        name=organ_title(name),
        legendgroup=name,
        showlegend=named,
        mode="markers",
        marker={"color": colour, "size": 4.5, "opacity": 0.85},
        text=[escape(case) for case in np.array(panel.case_ids)[panel.classes == value]],
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


def embed(method: str, vectors: Vectors, cache: Path) -> Points | None:
    """Place vectors on a plane so that those of a like direction lie together.

    None where there are too few, or all are alike. What is found is kept in the cache.
    """
    if len(vectors) < FEWEST_VECTORS or np.ptp(vectors, axis=0).max() == 0:
        return None
    content = hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
    kept = cache / f"{method.lower()}-{vectors.shape[1]}-{content[:32]}.json"
    points = _read(kept, len(vectors))
    if points is None:
        points = METHODS[method](vectors).astype(np.float32).round(3)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(kept, json.dumps(points.astype(float).round(3).tolist()))
    return points


def _read(path: Path, count: int) -> Points | None:
    try:
        points = np.asarray(read_json(path, LARGE), dtype=np.float32)
    except (OSError, ValueError, TypeError):
        return None
    return points if points.shape == (count, 2) and np.isfinite(points).all() else None


def _tsne(vectors: Vectors) -> Points:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(_NEIGHBOURS, (len(vectors) - 1) / 3)
    plane = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=_SEED)
    # On a busy machine threads that wait for each other take twenty times as long.
    with threadpool_limits(1):
        return plane.fit_transform(vectors)


def _umap(vectors: Vectors) -> Points:
    from umap import UMAP  # pyright: ignore[reportMissingImports]

    neighbours = min(_NEIGHBOURS, len(vectors) - 1)
    plane = UMAP(metric="cosine", n_neighbors=neighbours, random_state=_SEED, n_jobs=1)
    return plane.fit_transform(vectors)


METHODS: dict[str, Callable[[Vectors], Points]] = {"t-SNE": _tsne}
if importlib.util.find_spec("umap") is not None:
    METHODS["UMAP"] = _umap
