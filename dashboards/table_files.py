"""The table as files for other programs, and as text for the terminal."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict

from rich.table import Table as TerminalTable
from rich.text import Text

from dashboards.comparability import data_kind
from dashboards.comparisons import COLUMNS as COMPARISON_COLUMNS
from dashboards.comparisons import compare_rows, comparison_notes
from dashboards.palette import organ_title
from dashboards.tables import MEASURES, Cell, ReportRow, ReportTable
from voxsiam.types import ORGANS

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
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(table: ReportTable) -> str:
    """Write one line a row; distances are in grid voxels, spreads over seeds."""
    measures = [(f"{m.key}{'_voxels' if m.key != 'dsc' else ''}", m.key) for m in MEASURES]
    header = ["row", "seeds_finished", "seeds_planned"]
    header += [f"{name}_{part}" for name, _ in measures for part in ("mean", "sd", "paper")]
    header += ["missed_organs", "scored_organs"]
    header += [f"dsc_{organ}_{part}" for organ in ORGANS for part in ("mean", "sd", "paper")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in table.rows:
        line: list[object] = [_defused(row.label), row.finished, row.planned]
        for _, key in measures:
            line += [row.cells[key].mean, row.cells[key].sd, row.cells[key].printed]
        line += [sum(cell.values) if cell.values else None for cell in (row.missed, row.scored)]
        for cell in (row.organs[organ] for organ in ORGANS):
            line += [cell.mean, cell.sd, cell.printed]
        writer.writerow(line)
    return out.getvalue()


def to_markdown(table: ReportTable) -> str:
    """Write the tables and the footnotes as GitHub's Markdown."""
    lines = [f"# {table.heading.translate(_MARKDOWN)}", ""]
    for header, body in _tables(table):
        lines += [_markdown_line(header), "|" + " --- |" * len(header)]
        lines += [_markdown_line(line) for line in body] + [""]
    notes = (*table.footnotes, *comparison_notes(table))
    lines += [f"- {note.translate(_MARKDOWN)}" for note in notes]
    return "\n".join(lines) + "\n"


def to_latex(table: ReportTable) -> str:
    """Write the tables as LaTeX; needs the package booktabs."""
    parts = ["% \\usepackage{booktabs}"]
    for header, body in _tables(table):
        parts += [f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", "\\toprule"]
        parts += [_latex_line(header), "\\midrule", *(_latex_line(line) for line in body)]
        parts += ["\\bottomrule", "\\end{tabular}", ""]
    notes = (*table.footnotes, *comparison_notes(table))
    parts += ["\\begin{itemize}", *(f"\\item {_latex(note)}" for note in notes)]
    return "\n".join([*parts, "\\end{itemize}", ""])


def to_json(table: ReportTable) -> str:
    """Write everything: figures, the seeds behind them, their runs, fingerprints, printed."""
    results = table.results
    content = {
        "table": {"name": table.name, "number": table.number, "title": table.title},
        "study": {
            "name": results.study,
            "preset": results.preset,
            "study_id": results.study_id,
            "experiment_id": results.experiment_id,
            "parent_run_id": results.parent_run_id,
            "data_kind": data_kind(results),
            "fingerprints": results.fingerprints,
            "plan": results.plan,
        },
        "units": {measure.key: measure.title for measure in MEASURES},
        "rows": [_json_row(row) for row in table.rows],
        "comparisons": [asdict(each) for each in compare_rows(table)],
        "footnotes": list(table.footnotes),
    }
    # The plan comes from a file and may hold NaN, which is no JSON.
    return json.dumps(_without_nan(content), indent=2, allow_nan=False) + "\n"


def side_by_side(table: ReportTable) -> TerminalTable:
    """Show ours and the paper's for the terminal."""
    title = f"{table.heading} (preset {table.results.preset})"
    shown = TerminalTable(title=Text(title), title_justify="left")
    header, body = _main_table(table)
    for index, name in enumerate(header):
        shown.add_column(Text(name), justify="left" if index == 0 else "right")
    for line in body:
        shown.add_row(*(Text(value) for value in line))
    return shown


def _tables(table: ReportTable) -> tuple[tuple[list[str], list[list[str]]], ...]:
    compared = [list(each.texts) for each in compare_rows(table)]
    return _main_table(table), (list(COMPARISON_COLUMNS), compared), _organ_table(table)


def _main_table(table: ReportTable) -> tuple[list[str], list[list[str]]]:
    header = ["Row", "Seeds"]
    header += [name for m in MEASURES for name in (m.title, "paper")]
    body = [[row.label, row.seeds_text, *_figures(row), row.missed_text] for row in table.rows]
    return [*header, "Missed organs"], body


def _figures(row: ReportRow) -> list[str]:
    cells = [row.cells[measure.key] for measure in MEASURES]
    return [text for cell in cells for text in (cell.text, cell.printed_text)]


def _organ_table(table: ReportTable) -> tuple[list[str], list[list[str]]]:
    header = ["DSC (0 to 1)", *(organ_title(organ) for organ in ORGANS)]
    body: list[list[str]] = []
    for row in table.rows:
        body.append([row.label, *(row.organs[organ].text for organ in ORGANS)])
        if row.has_printed_organs:
            printed = (row.organs[organ].printed_text for organ in ORGANS)
            body.append([f"{row.label}, paper", *printed])
    return header, body


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.translate(_MARKDOWN) for cell in cells) + " |"


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(_latex(cell) for cell in cells) + r" \\"


def _latex(text: str) -> str:
    return " ".join("".join(_LATEX.get(mark, mark) for mark in text).split())


def _defused(text: str) -> str:
    """Keep a spreadsheet from reading a label as a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _json_row(row: ReportRow) -> dict:
    return {
        "label": row.label,
        "seeds_finished": row.finished,
        "seeds_planned": row.planned,
        "measures": {key: _json_cell(cell) for key, cell in row.cells.items()},
        "dsc_by_organ": {organ: _json_cell(cell) for organ, cell in row.organs.items()},
        "missed_organs": _json_cell(row.missed),
        "scored_organs": _json_cell(row.scored),
        "trials": [
            {
                "seed": trial.seed,
                "status": trial.status,
                "mlflow_run_id": trial.run_id,
                "fingerprints": trial.fingerprints,
                "recipe": trial.recipe,
                "scores": trial.final,
            }
            for trial in row.trials
        ],
    }


def _json_cell(cell: Cell) -> dict:
    seeds = [{"seed": s.seed, "mlflow_run_id": s.run_id, "value": s.value} for s in cell.seeds]
    return {"mean": cell.mean, "sd": cell.sd, "printed": cell.printed, "seeds": seeds}


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value
