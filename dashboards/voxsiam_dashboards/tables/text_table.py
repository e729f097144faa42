"""A table of texts, and how it is written: no text becomes markup or a formula of its own."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
    }
)
_MARKDOWN = str.maketrans(
    {**{mark: f"\\{mark}" for mark in "\\`*_[]|"}, "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "}
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?%?"
_FIGURE = re.compile(
    rf"-|[+-]?(inf|nan)|{_NUMBER}( ± {_NUMBER})?( \[{_NUMBER}, {_NUMBER}\]\*?)?", re.ASCII
)
"""A dash, a number, and one with its spread or interval: `+0.083 [+0.012, +0.154]*`."""


@dataclass(frozen=True)
class TextTable:
    """A table as a reader sees it.

    Attributes:
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


def defused(text: str) -> str:
    """Keep a spreadsheet from reading a text as a formula; a signed figure is none."""
    if _FIGURE.fullmatch(text) or not text.lstrip(" ").startswith(_FORMULA_STARTS):
        return text
    return f"'{text}"


def csv_text(lines: Iterable[Iterable[object]]) -> str:
    """Write lines for spreadsheets: no text becomes a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([defused(x) if isinstance(x, str) else x for x in line] for line in lines)
    return out.getvalue()


def markdown_text(text: str) -> str:
    """Escape what has a meaning in GitHub's Markdown."""
    return text.translate(_MARKDOWN)


def markdown_lines(table: TextTable) -> list[str]:
    """Write header and body as a table of GitHub's Markdown."""
    lines = _written(table, markdown_text, "**{}**")
    header, *body = ("| " + " | ".join(line) + " |" for line in lines)
    return [header, "|" + " --- |" * len(table.header), *body]


def latex_text(text: str) -> str:
    """Escape what has a meaning in LaTeX, on one line."""
    return " ".join(text.translate(_LATEX).split())


def latex_lines(table: TextTable) -> list[str]:
    """Write header and body as a tabular; needs the package booktabs."""
    lines = _written(table, latex_text, "\\textbf{{{}}}")
    header, *body = (" & ".join(line) + r" \\" for line in lines)
    return [
        f"\\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        "\\toprule",
        header,
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
    ]


def _written(table: TextTable, escape: Callable[[str], str], bold: str) -> list[list[str]]:
    """Escape header and body, and emphasise the cells that a test supports."""
    body = [
        [
            bold.format(escape(text)) if (number, column) in table.bold else escape(text)
            for column, text in enumerate(line)
        ]
        for number, line in enumerate(table.body)
    ]
    return [[escape(text) for text in table.header], *body]
