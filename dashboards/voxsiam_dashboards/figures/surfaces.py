"""Surfaces of one test case in space (Fig. 6): the ground truth and what each row predicted.

Everything stands in the patient's frame, in mm: x runs to the patient's right, y to anterior, z to
superior. The views are from the front, so that the patient's right is on the left, as in a clinic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float32, Int32, UInt8
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D
from plotly.subplots import make_subplots
from scipy import ndimage, sparse

from voxsiam.types import PAPER_ORGANS, Spacing, organ_title
from voxsiam_dashboards.figures.look import GRID, organ_colours, plain_text, styled
from voxsiam_dashboards.figures.overlays import kept_case
from voxsiam_dashboards.tables.report_table import ReportTable

ENDS = {"x": ("L", "R"), "y": ("P", "A"), "z": ("I", "S")}
"""The patient's sides at the low and the high end of each axis."""

MOST_VIEWS = 8
"""Each is a WebGL context, and browsers end the oldest of more than sixteen."""

MOST_DRAWN = 24
"""Organs of a case, the largest first."""

MOST_FACES = 120_000
"""Of all views together: about 3 MB of the page."""

_SMOOTHING_STEPS = 4
_COLUMNS = 4
_LIGHT = np.array([-0.3, 0.8, 0.5]) / np.linalg.norm([-0.3, 0.8, 0.5])


@dataclass(frozen=True, eq=False)
class Surface:
    """The surface of one organ: vertices in mm along x, y, z, and three of them a face."""

    organ: str
    colour: str
    vertices: Float32[np.ndarray, "v 3"]
    faces: Int32[np.ndarray, "f 3"]


@dataclass(frozen=True, eq=False)
class View:
    """One body: the ground truth, or a row's prediction."""

    title: str
    surfaces: tuple[Surface, ...]


@dataclass(frozen=True, eq=False)
class Bodies:
    """One case as all rows see it, the ground truth first.

    Attributes:
        extent_mm: Size of the case along x, y, z.
    """

    views: tuple[View, ...]
    extent_mm: tuple[float, float, float]


def case_surfaces(table: ReportTable) -> Bodies | None:
    """Find the surfaces of the first test case that any row has; None where no row has one."""
    case, predictions = kept_case(table)
    if case is None:
        return None
    labels = [("Ground truth", case.label)]
    labels += [(panel.title, panel.labels) for panel in predictions if panel.labels is not None]
    return bodies_of(labels, case.spacing_mm, table.results.organs)


def bodies_of(
    labels: Sequence[tuple[str, UInt8[np.ndarray, "d h w"]]],
    spacing_mm: Spacing,
    organs: Sequence[str] = PAPER_ORGANS,
) -> Bodies:
    """Find the surfaces of a case in several label maps of one grid, of MOST_VIEWS at most.

    Args:
        labels: With their titles, the ground truth first.
        spacing_mm: Along d, h, w.
        organs: What the labels stand for, from 1; of many those that are largest in the truth.
    """
    shown, drawn = labels[:MOST_VIEWS], _largest(labels[0][1], organs)
    step = _step([label for _, label in shown], spacing_mm, drawn)
    d, h, w = (n * mm for n, mm in zip(labels[0][1].shape, spacing_mm, strict=True))
    views = tuple(View(name, _surfaces(label, spacing_mm, drawn, step)) for name, label in shown)
    return Bodies(views, extent_mm=(w, h, d))


@dataclass(frozen=True)
class DrawnOrgan:
    """An organ with its label value and its colour."""

    name: str
    value: int
    colour: str


def _largest(truth: UInt8[np.ndarray, "d h w"], organs: Sequence[str]) -> list[DrawnOrgan]:
    """Choose what is drawn: all organs of a few, of many those with most voxels."""
    voxels = np.bincount(truth.ravel(), minlength=len(organs) + 1)
    every = [
        DrawnOrgan(name, value, colour)
        for value, (name, colour) in enumerate(organ_colours(organs).items(), start=1)
    ]
    chosen = sorted(every, key=lambda organ: -voxels[organ.value])[:MOST_DRAWN]
    return sorted(chosen, key=lambda organ: organ.value)


def organ_surface(
    label: UInt8[np.ndarray, "d h w"], organ: DrawnOrgan, spacing_mm: Spacing, step: int = 1
) -> Surface | None:
    """Return the surface of one organ, smoothed for the eye; None where it is absent.

    Args:
        label: 0 background, 1.. organs.
        spacing_mm: Along d, h, w.
        step: Voxels an edge of the surface may span; larger ones give fewer faces.
    """
    from skimage.measure import marching_cubes

    whole = label == organ.value
    if not whole.any():
        return None
    start, mask = _cut_out(whole, step)
    # A margin of air closes surfaces at the border of the grid.
    margin = 2 * step
    padded = np.pad(mask, margin).astype(np.float32)
    try:
        places, faces, _, _ = marching_cubes(padded, 0.5, step_size=step)
    except (RuntimeError, ValueError):
        return None  # smaller than a step
    voxels = _smoothed(places.astype(np.float32), faces) - margin + 0.5 + start
    # x y z is d h w reversed, a right-handed frame: nothing is mirrored.
    vertices = (voxels * np.asarray(spacing_mm, np.float32))[:, ::-1]
    corners = np.ascontiguousarray(vertices)
    return Surface(organ.name, organ.colour, corners, faces.astype(np.int32))


def surfaces(bodies: Bodies | None) -> go.Figure | None:
    """Return the chart: a view for each body; None without a case."""
    if bodies is None:
        return None
    columns = min(_COLUMNS, len(bodies.views))
    rows = -(-len(bodies.views) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        specs=[[{"type": "scene"}] * columns] * rows,
        subplot_titles=[escape(view.title) for view in bodies.views],
        horizontal_spacing=0.01,
        vertical_spacing=0.08,
    )
    named: set[str] = set()
    for index, view in enumerate(bodies.views):
        for surface in view.surfaces:
            mesh = _mesh(surface, named=surface.organ not in named)
            figure.add_trace(mesh, row=index // columns + 1, col=index % columns + 1)
            named.add(surface.organ)
    figure.update_scenes(_scene(bodies.extent_mm))
    styled(figure, height=80 + 380 * rows)
    figure.update_layout(legend={"y": -0.02}, margin={"l": 8, "r": 8, "t": 36, "b": 48})
    return figure


def draw_surfaces(bodies: Bodies | None) -> Figure | None:
    """Return the picture of the same views; None without a case."""
    if bodies is None:
        return None
    columns = min(_COLUMNS, len(bodies.views))
    rows = -(-len(bodies.views) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.2 * rows), layout="constrained", facecolor="white")
    for index, view in enumerate(bodies.views, start=1):
        axes: Any = figure.add_subplot(rows, columns, index, projection="3d")
        _draw_view(axes, view, bodies.extent_mm)
    return figure


def _cut_out(
    mask: Bool[np.ndarray, "d h w"], step: int
) -> tuple[Float32[np.ndarray, "3"], Bool[np.ndarray, "d0 h0 w0"]]:
    """Cut a body out of its grid, from multiples of the step: its surface stays the same."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    bounds = tuple(slice(side.start // step * step, side.stop) for side in box)
    return np.array([side.start for side in bounds], np.float32), mask[bounds]


def _surfaces(
    label: UInt8[np.ndarray, "d h w"],
    spacing_mm: Spacing,
    organs: Sequence[DrawnOrgan],
    step: int,
) -> tuple[Surface, ...]:
    found = (organ_surface(label, organ, spacing_mm, step) for organ in organs)
    return tuple(surface for surface in found if surface is not None)


def _step(
    labels: Sequence[UInt8[np.ndarray, "d h w"]],
    spacing_mm: Spacing,
    organs: Sequence[DrawnOrgan],
) -> int:
    """Return the smallest step with which all bodies stay within the number of faces."""
    faces = sum(len(s.faces) for label in labels for s in _surfaces(label, spacing_mm, organs, 1))
    # Faces go down with the square of the step.
    return max(1, int(np.ceil(np.sqrt(faces / MOST_FACES))))


def _smoothed(
    places: Float32[np.ndarray, "v 3"], faces: Int32[np.ndarray, "f 3"]
) -> Float32[np.ndarray, "v 3"]:
    """Take the steps of the voxels away: move each vertex to the mean of its neighbours, and back.

    Forth and back (Taubin 1995), so that a body keeps its size.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = len(places)
    joined = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count)).tocsr()
    joined = ((joined + joined.T) > 0).astype(np.float32)
    weights = sparse.diags_array(1 / np.maximum(np.asarray(joined.sum(axis=1)).ravel(), 1))
    mean_of = (weights @ joined).astype(np.float32)
    for _ in range(_SMOOTHING_STEPS):
        for share in (0.5, -0.53):
            places = places + np.float32(share) * (mean_of @ places - places)
    return places


def _mesh(surface: Surface, *, named: bool) -> go.Mesh3d:
    vertices = surface.vertices.round(1)
    return go.Mesh3d(
        x=vertices[:, 0],
        y=vertices[:, 1],
        z=vertices[:, 2],
        i=surface.faces[:, 0],
        j=surface.faces[:, 1],
        k=surface.faces[:, 2],
        color=surface.colour,
        name=organ_title(surface.organ),
        legendgroup=surface.organ,
        showlegend=named,
        hovertemplate="%{fullData.name}<extra></extra>",
        lighting={"ambient": 0.55, "diffuse": 0.6, "specular": 0.1, "roughness": 0.7},
        # In the viewer's frame: right, up, away from the eye.
        lightposition={"x": 30_000, "y": 60_000, "z": -100_000},
    )


def _scene(extent_mm: tuple[float, float, float]) -> dict[str, Any]:
    extents = dict(zip(ENDS, extent_mm, strict=True))
    axes = {
        f"{axis}axis": {
            "range": [0, extent],
            "tickvals": _label_places(extent),
            "ticktext": list(ENDS[axis]),
            "title": {"text": ""},
            "showbackground": False,
            "gridcolor": GRID,
            "zeroline": False,
            "showspikes": False,
        }
        for axis, extent in extents.items()
    }
    camera = {
        "eye": {"x": 0.35, "y": 1.75, "z": 0.35},
        "up": {"x": 0, "y": 0, "z": 1},
        "projection": {"type": "orthographic"},
    }
    # Equal mm on all axes; plotly's own choice leaves half of the view empty.
    ratio = {axis: 1.2 * extent / max(extent_mm) for axis, extent in extents.items()}
    return axes | {"aspectmode": "manual", "aspectratio": ratio, "camera": camera}


def _label_places(extent_mm: float) -> list[float]:
    """Return where the letters of an axis stand: off the corners, where three axes meet."""
    return [0.1 * extent_mm, 0.9 * extent_mm]


def _draw_view(axes: Axes3D, view: View, extent_mm: tuple[float, float, float]) -> None:
    axes.set_title(plain_text(view.title), fontsize=9)
    if view.surfaces:
        # One collection for all organs: it sorts its faces by depth, several would not.
        corners = np.concatenate([s.vertices[s.faces] for s in view.surfaces])
        colours = np.concatenate([_shaded(surface) for surface in view.surfaces])
        axes.add_collection3d(Poly3DCollection(corners, facecolors=colours, linewidths=0))
    x, y, z = extent_mm
    axes.set(xlim=(0, x), ylim=(0, y), zlim=(0, z))
    axes.set(xticks=_label_places(x), yticks=_label_places(y), zticks=_label_places(z))
    axes.set(xticklabels=ENDS["x"], yticklabels=ENDS["y"], zticklabels=ENDS["z"])
    axes.tick_params(labelsize=8, pad=-2)
    axes.grid(visible=False)
    axes.set_box_aspect(extent_mm, zoom=1.3)  # pyright: ignore[reportArgumentType]
    axes.view_init(elev=12, azim=80)
    axes.set_proj_type("ortho")


def _shaded(surface: Surface) -> Float32[np.ndarray, "f 3"]:
    """Return each face's colour: lighter where it looks at the light."""
    a, b, c = surface.vertices[surface.faces].swapaxes(0, 1)
    normal = np.cross(b - a, c - a)
    length = np.maximum(np.linalg.norm(normal, axis=1), np.finfo(np.float32).tiny)
    light = 0.6 + 0.4 * np.abs(normal @ _LIGHT) / length
    return (light[:, None] * np.array(to_rgb(surface.colour))).astype(np.float32)
