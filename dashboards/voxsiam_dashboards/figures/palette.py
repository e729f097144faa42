"""The colours of every picture and chart: one for each organ, one for each row of a table."""

from voxsiam.types import ORGANS

ORGAN_COLOURS: dict[str, str] = dict(
    zip(
        ORGANS,
        ("#E69F00", "#0072B2", "#F0E442", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#7A3FF2"),
        strict=True,
    )
)
"""Okabe and Ito's colours, safe for colour-blind eyes, with a violet in place of their black."""

ROW_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#444444")
"""For the rows of a table in their order; a longer table starts again."""


ERROR_COLOURS: dict[str, str] = {
    "Missed": "#56B4E9",
    "Invented": "#D55E00",
    "Wrong organ": "#F0E442",
}
"""Organ of the ground truth that is not found; organ where there is none; one for another.

They differ in lightness, too, and are drawn on grey alone, without the organs' colours."""


def row_colour(index: int) -> str:
    """Colour of the row at this place of the table."""
    return ROW_COLOURS[index % len(ROW_COLOURS)]


def plain_text(text: str) -> str:
    """Keep matplotlib from reading dollar signs as formulas: it fails on unbalanced ones."""
    return text.replace("$", r"\$")
