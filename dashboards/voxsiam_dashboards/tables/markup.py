"""A table of texts as Markdown and as LaTeX; no text can become markup of its own."""

from collections.abc import Callable, Iterable

from voxsiam_dashboards.tables.text_table import TextTable

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
}
_MARKDOWN = str.maketrans(
    {**{mark: f"\\{mark}" for mark in "\\`*_[]|"}, "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "}
)


def markdown_text(text: str) -> str:
    """Escape what has a meaning in GitHub's Markdown."""
    return text.translate(_MARKDOWN)


def markdown_lines(table: TextTable) -> list[str]:
    """Write header and body as a table of GitHub's Markdown."""
    lines = _written(table, markdown_text, "**{}**")
    rows = [_markdown_row(map(markdown_text, table.header)), "|" + " --- |" * len(table.header)]
    return rows + [_markdown_row(line) for line in lines]


def latex_text(text: str) -> str:
    """Escape what has a meaning in LaTeX, on one line."""
    return " ".join("".join(_LATEX.get(mark, mark) for mark in text).split())


def latex_lines(table: TextTable) -> list[str]:
    """Write header and body as a tabular; needs the package booktabs."""
    lines = _written(table, latex_text, "\\textbf{{{}}}")
    return [
        f"\\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        "\\toprule",
        _latex_row(map(latex_text, table.header)),
        "\\midrule",
        *(_latex_row(line) for line in lines),
        "\\bottomrule",
        "\\end{tabular}",
    ]


def _written(table: TextTable, escape: Callable[[str], str], bold: str) -> list[list[str]]:
    """Escape every cell, and emphasise those that a test supports."""
    return [
        [
            bold.format(escape(text)) if (number, column) in table.bold else escape(text)
            for column, text in enumerate(line)
        ]
        for number, line in enumerate(table.body)
    ]


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
