"""Pictures of one test case: the image, the ground truth and what each row predicted.

Axial slices stand in the radiological convention: the patient's right is on the picture's left,
anterior is on top. Coronal slices have the patient's right on the left and superior on top,
sagittal ones anterior on the left.
"""

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke

from voxsiam.types import PAPER_ORGANS, Spacing, organ_title
from voxsiam_dashboards.figures.look import organ_colours, plain_text
from voxsiam_dashboards.store.trial_files import Overlay
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow

Plane = Literal["axial", "coronal", "sagittal"]
LETTERS: dict[Plane, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
"""What lies left, right, above and below in the picture."""

AXES: dict[Plane, tuple[int, int, int]] = {
    "axial": (0, 1, 2),
    "coronal": (1, 0, 2),
    "sagittal": (2, 0, 1),
}
"""Of d h w: the axis through a plane's slices, that of its rows and that of its columns."""

_OPACITY, _OUTLINE_OPACITY = 0.45, 0.95
_TRUTH = "white"
_MOST_NAMED = 24
_ENTRY_INCHES = 2.0
_OUTLINED = [Stroke(linewidth=2, foreground="black"), Normal()]


@dataclass(frozen=True, eq=False)
class Panel:
    """One column of the picture; without labels it shows the plain image or why there is none.

    A prediction has the ground truth's outline over it, and its DSC in this case above.
    """

    title: str
    labels: UInt8[np.ndarray, "d h w"] | None = None
    missing: bool = False
    dsc: float | None = None

    @property
    def heading(self) -> str:
        """What stands above it: always a line for the DSC, so that all pictures start alike."""
        wrapped = textwrap.wrap(self.title, width=22, max_lines=3, placeholder=" ...")
        dsc = " " if self.dsc is None else f"DSC {self.dsc:.3f}"
        return plain_text("\n".join(wrapped)) + f"\n{dsc}"


def draw_overlays(table: ReportTable, path: Path) -> str | None:
    """Write the picture of the first test case that any row has; return its name, else None."""
    case, predictions = kept_case(table)
    if case is None:
        return None
    panels = [Panel("Image"), Panel("Ground truth", case.label), *predictions]
    _figure(case, panels, table.results.organs).savefig(path, dpi=110, metadata={"Software": None})
    return case.case_id


def kept_case(table: ReportTable) -> tuple[Overlay | None, list[Panel]]:
    """Return the first test case that any row has kept, and what each row predicted in it."""
    kept = (trial.overlay for row in table.rows for trial in row.trials)
    case = next((overlay for overlay in kept if overlay is not None), None)
    return case, [] if case is None else [_prediction_panel(row, case) for row in table.rows]


def busiest_slice(label: UInt8[np.ndarray, "d h w"], plane: Plane) -> int:
    """Index of the slice through the most organs; among equals the one with most organ voxels."""
    slices = np.moveaxis(label, AXES[plane][0], 0)
    organs = [np.count_nonzero(np.unique(one)) for one in slices]
    voxels = np.count_nonzero(slices, axis=(1, 2))
    return int(max(range(len(slices)), key=lambda index: (organs[index], voxels[index])))


def to_picture(
    volume: Shaped[np.ndarray, "d h w"], plane: Plane, index: int
) -> Shaped[np.ndarray, "y x"]:
    """Cut a slice and turn it as a reader expects it: rows from the top, columns from the left."""
    cut = np.moveaxis(volume, AXES[plane][0], 0)[index]
    # h runs to anterior, d to superior, w to the patient's right: all three end up reversed.
    return cut[::-1, ::-1]


def pixel_aspect(spacing_mm: Spacing, plane: Plane) -> float:
    """Height of a pixel over its width."""
    _, rows, columns = AXES[plane]
    return spacing_mm[rows] / spacing_mm[columns]


def coloured(
    grey: Float[np.ndarray, "y x"],
    labels: UInt8[np.ndarray, "y x"],
    organs: Sequence[str] = PAPER_ORGANS,
) -> Float[np.ndarray, "y x 3"]:
    """Lay the organs' colours over a grey picture: see-through inside, almost solid outlines."""
    colours = np.array([to_rgb(colour) for colour in organ_colours(organs).values()])
    picture = np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=-1).astype(float)
    inside = (labels > 0) & (labels <= len(organs))
    opacity = np.where(_outline(labels), _OUTLINE_OPACITY, _OPACITY)[inside][:, None]
    picture[inside] = (1 - opacity) * picture[inside] + opacity * colours[labels[inside] - 1]
    return picture


def slice_address(
    grey: Float[np.ndarray, "y x"],
    labels: UInt8[np.ndarray, "y x"],
    pixel_mm: tuple[float, float],
    organs: Sequence[str],
    width: int,
    least_height: float,
) -> tuple[str, int]:
    """Draw a slice as an address that holds the picture: pages need no file beside them.

    Args:
        grey: From 0 to 1; as the volume has it, not turned yet.
        pixel_mm: Height and width of a pixel.
        organs: What the labels stand for, from 1.
        width: On the screen; the height there, which is returned, too, is three times it at most.
    """
    picture = coloured(grey[::-1, ::-1], labels[::-1, ::-1], organs)
    stream = io.BytesIO()
    # imsave writes what is between 0 and 1 as it is.
    imsave(stream, picture.clip(0, 1), format="png")
    rows, columns = grey.shape
    row_mm, column_mm = pixel_mm
    height = width * rows * (row_mm / column_mm) / columns
    shown = round(float(np.clip(height, least_height, 3 * width)))
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}", shown


def _outline(labels: UInt8[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Pixels with a neighbour above, below, left or right of another label."""
    edged = np.pad(labels, 1, mode="edge")
    neighbours = (edged[:-2, 1:-1], edged[2:, 1:-1], edged[1:-1, :-2], edged[1:-1, 2:])
    return np.any([neighbour != labels for neighbour in neighbours], axis=0)


def _prediction_panel(row: ReportRow, case: Overlay) -> Panel:
    """Show the first seed that has kept a case, where it is this very one on this grid."""
    trial = next((trial for trial in row.trials if trial.overlay is not None), None)
    overlay = None if trial is None else trial.overlay
    if trial is None or overlay is None:
        return Panel(row.label, missing=True)
    if (overlay.case_id, overlay.label.shape) != (case.case_id, case.label.shape):
        return Panel(row.label, missing=True)
    return Panel(row.label, overlay.prediction, dsc=trial.case_dsc(case.case_id))


def _figure(case: Overlay, panels: Sequence[Panel], organs: Sequence[str]) -> Figure:
    planes: tuple[Plane, ...] = ("axial", "coronal")
    heights = [_relative_height(case, plane) for plane in planes]
    width = 2.1
    figure = Figure(
        figsize=(width * len(panels), width * sum(heights) + 1.6),
        layout="constrained",
        facecolor="white",
    )
    grid = figure.subplots(len(planes), len(panels), squeeze=False, height_ratios=heights)
    for axes, plane in zip(grid, planes, strict=True):
        index = busiest_slice(case.label, plane)
        for place, (one, panel) in enumerate(zip(axes, panels, strict=True)):
            _draw_panel(one, case, panel, (plane, index), organs)
            if plane == "axial":
                one.set_title(panel.heading, fontsize=10)
            if place == 0:
                one.set_ylabel(f"{plane.capitalize()}, slice {index}", fontsize=9)
    legend = _legend(case, organs)
    columns = min(5, max(1, int(width * len(panels) / _ENTRY_INCHES)))
    figure.legend(handles=legend, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw_panel(
    axes: Axes, case: Overlay, panel: Panel, cut: tuple[Plane, int], organs: Sequence[str]
) -> None:
    plane, index = cut
    axes.set(xticks=[], yticks=[])
    axes.set_facecolor("black")
    grey = _grey(case.image, to_picture(case.image, plane, index))
    if panel.missing:
        grey = np.zeros_like(grey)
    labels = np.zeros(grey.shape, np.uint8)
    if panel.labels is not None:
        labels = to_picture(panel.labels, plane, index)
    picture = coloured(grey, labels, organs)
    axes.imshow(picture, aspect=pixel_aspect(case.spacing_mm, plane))
    if panel.dsc is not None:
        _draw_truth(axes, to_picture(case.label, plane, index))
    if panel.missing:
        _write(axes, (0.5, 0.5), "no picture")
        return
    places = ((0.04, 0.5), (0.96, 0.5), (0.5, 0.95), (0.5, 0.05))
    for place, letter in zip(places, LETTERS[plane], strict=True):
        _write(axes, place, letter)


def _draw_truth(axes: Axes, labels: UInt8[np.ndarray, "y x"]) -> None:
    """Draw the outline of every organ of the ground truth: what lies off it is wrong."""
    for value in np.unique(labels[labels > 0]):
        axes.contour(labels == value, levels=[0.5], colors=_TRUTH, linewidths=0.8)


def _grey(
    image: Float[np.ndarray, "d h w"], cut: Float[np.ndarray, "y x"]
) -> Float[np.ndarray, "y x"]:
    """Scale a slice so that the volume's darkest voxel is 0 and its brightest 1."""
    dark, bright = float(image.min()), float(image.max())
    return (cut.astype(np.float32) - dark) / max(bright - dark, np.finfo(np.float32).tiny)


def _write(axes: Axes, place: tuple[float, float], text: str) -> None:
    drawn = axes.text(*place, text, color="white", fontsize=8, ha="center", va="center")
    drawn.set_transform(axes.transAxes)
    drawn.set_path_effects(_OUTLINED)


def _relative_height(case: Overlay, plane: Plane) -> float:
    rows, columns = to_picture(case.label, plane, 0).shape
    return float(np.clip(rows * pixel_aspect(case.spacing_mm, plane) / columns, 0.2, 5))


def _legend(case: Overlay, organs: Sequence[str]) -> list[Patch | Line2D]:
    """Name the organs of the case, of many the largest."""
    voxels = np.bincount(case.label.ravel(), minlength=len(organs) + 1)[1 : len(organs) + 1]
    shown = [organs[i] for i in np.argsort(-voxels, kind="stable")[:_MOST_NAMED] if voxels[i]]
    colours = organ_colours(organs)
    present = [organ for organ in organs if organ in shown]
    truth = Line2D([], [], color=_TRUTH, label="Ground truth on predictions",
                   path_effects=[Stroke(linewidth=3, foreground="black"), Normal()])  # fmt: skip
    patches = [Patch(color=colours[organ], label=organ_title(organ)) for organ in present]
    return [*patches, truth]
