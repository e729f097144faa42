"""One bad input: what is made of a sound one, and what the program promises to do with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["refused", "noted", "accepted"]
"""Refused: exit code 2 and three lines. Noted: done, with a line that says what is odd."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        number: Of the hazard, B1 to B20.
        name: What is bad.
        change: Makes it so, in a folder that holds sound files.
        outcome: What the program does.
        words: Regular expression of what it says.
    """

    number: str
    name: str
    change: Callable[[Path], object]
    outcome: Outcome = "refused"
    words: str = ""

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


@dataclass(frozen=True)
class Suite:
    """Rows that are tried with one command.

    Attributes:
        title: For the document.
        command: Words behind `voxsiam`, with names inside the folder.
        prepare: Writes the sound files.
        rows: What is tried.
    """

    title: str
    command: Sequence[str]
    prepare: Callable[[Path], object]
    rows: Sequence[Row]
