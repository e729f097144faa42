"""A table of texts, the same for every format that it is written in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """A table as a reader sees it.

    Attributes:
        title: What it shows.
        header: One text a column; the first column names the line.
        body: Lines as long as the header.
        notes: What a reader must know of it.
        bold: Line and column of the cells that a test supports.
    """

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()
