"""A table of the paper as data: rows, the recipe of each, and the number that was printed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from voxsiam.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What the paper prints in one row; None where it prints nothing.

    Attributes:
        dsc: Dice score coefficient, mean over eight organs and 20 test cases.
        hd95: 95th percentile Hausdorff distance. Printed as mm, almost surely grid voxels.
        assd: Average symmetric surface distance, same remark.
        organs: DSC by organ.
    """

    dsc: float | None = None
    hd95: float | None = None
    assd: float | None = None
    organs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table: a label, how to train it, and the paper's figures.

    Attributes:
        label: Unique in its table.
        compared_with: Label of the row that this one is tested against; the table's last row where
            it is empty.
        label_fraction: Share of the training cases that it sees; smaller shares lie in larger.
        method: What is trained, where rows differ in the share alone; else empty.
    """

    label: str
    recipe: Callable[[], Recipe]
    printed: Printed = Printed()
    compared_with: str = ""
    label_fraction: float = 1.0
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A study of the paper.

    Attributes:
        name: Its name on the command line.
        number: Its number in the paper, "III" or "Figure 7"; empty for what the paper has not.
        organs: Those that the data must have, neither more nor fewer; empty takes any.
        footnotes: What a reader must know before comparing with the printed numbers.
    """

    name: str
    number: str
    title: str
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    organs: tuple[str, ...] = ()

    def partner(self, row: Row) -> str | None:
        """Name the row that a row is tested against; None where that would be itself."""
        other = row.compared_with or self.rows[-1].label
        return other if other != row.label else None

    @property
    def partners(self) -> dict[str, str]:
        """Name what the table compares: the rows that have a partner, and the partner."""
        pairs = ((row.label, self.partner(row)) for row in self.rows)
        return {label: partner for label, partner in pairs if partner is not None}

    @property
    def heading(self) -> str:
        """What stands above it."""
        kind = "" if self.number.startswith("Figure") else "Table "
        return f"{kind}{self.number}: {self.title}" if self.number else self.title
