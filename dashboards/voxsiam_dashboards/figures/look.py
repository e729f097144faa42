"""The look of every picture and chart: a colour for each organ and each row, fonts, lines."""

import colorsys
from collections.abc import Sequence

import plotly.graph_objects as go

from voxsiam.types import PAPER_ORGANS

_PAPER_COLOURS: dict[str, str] = dict(
    zip(
        PAPER_ORGANS,
        ("#E69F00", "#0072B2", "#F0E442", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#7A3FF2"),
        strict=True,
    )
)
"""Okabe and Ito's colours, safe for colour-blind eyes, with a violet in place of their black."""

_GOLDEN_TURN = 0.618
_LIGHTNESS = (0.45, 0.68, 0.56)

ROW_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#444444")
"""For the rows of a table in their order; a longer table starts again."""

ERROR_COLOURS: dict[str, str] = {
    "Missed": "#56B4E9",
    "Invented": "#D55E00",
    "Wrong organ": "#F0E442",
}
"""Organ of the ground truth that is not found; organ where there is none; one for another.

They differ in lightness, too, and are drawn on grey alone, without the organs' colours."""

GRID = "#e3e6ea"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def organ_colours(organs: Sequence[str]) -> dict[str, str]:
    """Give each class a colour: the paper's organs keep theirs, the others go round the hues."""
    others = [organ for organ in organs if organ not in _PAPER_COLOURS]
    return {organ: _PAPER_COLOURS.get(organ) or _around(others.index(organ)) for organ in organs}


def _around(index: int) -> str:
    """Return a colour far from those of the neighbours in a list of any length."""
    lightness = _LIGHTNESS[index % len(_LIGHTNESS)]
    parts = colorsys.hls_to_rgb(index * _GOLDEN_TURN % 1, lightness, 0.6)
    return "#" + "".join(f"{round(255 * part):02X}" for part in parts)


def row_colour(index: int) -> str:
    """Colour of the row at this place of the table."""
    return ROW_COLOURS[index % len(ROW_COLOURS)]


def plain_text(text: str) -> str:
    """Keep matplotlib from reading dollar signs as formulas: it fails on unbalanced ones."""
    return text.replace("$", r"\$")


def styled(figure: go.Figure, height: int) -> go.Figure:
    """Give a chart the fonts, lines and margins of all charts."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 56, "r": 16, "t": 40, "b": 48},
        font={"family": _FONT, "size": 13, "color": "#1c2430"},
        legend={"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0},
    )
    axis = {"gridcolor": GRID, "zeroline": False, "title_font": {"size": 13}}
    figure.update_xaxes(axis).update_yaxes(axis)
    figure.update_annotations(font_size=14)
    return figure
