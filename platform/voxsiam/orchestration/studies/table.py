"""A study as data: rows, the recipe of each, and the numbers that a paper prints, if any."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from voxsiam.training.recipe import Recipe
from voxsiam.types import Frozen

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_MOST_ROWS, _LONGEST = 1000, 120
Text = Annotated[str, Field(max_length=4000)]


class Printed(Frozen):
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
    organs: Mapping[str, float] = Field(default_factory=dict)


class Row(Frozen):
    """One line of a table: a label, how to train it, and the paper's figures.

    Attributes:
        label: Unique in its table, and on one line.
        compared_with: Label of the row that this one is tested against; the table's last row where
            it is empty.
        label_fraction: Share of the training cases that it sees; smaller shares lie in larger.
        method: What is trained, where rows differ in the share alone; else empty.
    """

    label: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    recipe: Recipe
    printed: Printed = Printed()
    compared_with: str = ""
    label_fraction: float = Field(default=1.0, gt=0, le=1)
    method: str = ""

    @field_validator("label")
    @classmethod
    def _on_a_line(cls, label: str) -> str:
        if label.strip() != label or not label.isprintable():
            raise ValueError(
                f"the label {label!r:.60} is not of one line without blanks at its ends"
            )
        return label


class Table(Frozen):
    """A study: a table of the paper, or of whoever declares one.

    Attributes:
        name: On the command line, and of its folders.
        number: Its number in the paper, "III" or "Figure 7"; empty for what the paper has not.
        footnotes: What a reader must know before comparing with the printed numbers.
        organs: Those that the data must have, neither more nor fewer; empty takes any.
        file: Name of the file that declares it; empty for those that come with the program.
    """

    name: str
    number: str = ""
    title: Text
    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=_MOST_ROWS)]
    footnotes: tuple[Text, ...] = ()
    organs: tuple[str, ...] = ()
    file: str = ""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"the name {name!r:.60} is not of letters, numbers and _ - . alone")
        return name

    @model_validator(mode="after")
    def _rows_fit(self) -> "Table":
        labels = [row.label for row in self.rows]
        twice = next((label for label, count in Counter(labels).items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"two rows are called '{twice}'")
        for row in self.rows:
            if row.compared_with and row.compared_with not in labels:
                raise ValueError(
                    f"the row '{row.label}' is compared with '{row.compared_with}', which is no row"
                )
        return self

    @property
    def has_printed(self) -> bool:
        """Tell whether a paper prints figures for any row."""
        return any(row.printed != Printed() for row in self.rows)

    @property
    def command(self) -> str:
        """What runs it, after `voxsiam`: a training by itself has a command of its own."""
        if self.name.startswith("train-"):
            return f"train {self.name.removeprefix('train-')}"
        return f"study run {shlex.quote(self.file or self.name)}"

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
