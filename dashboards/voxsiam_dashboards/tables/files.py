"""The table as files for other programs, and as text for the terminal."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace

from rich.table import Table as TerminalTable
from rich.text import Text

from voxsiam_dashboards.tables.cost import row_costs
from voxsiam_dashboards.tables.footnotes import data_kind
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import MEASURES, Cell, ReportRow
from voxsiam_dashboards.tables.settings import row_settings
from voxsiam_dashboards.tables.study_tables import main_table, report_tables
from voxsiam_dashboards.tables.text_table import (
    TextTable,
    csv_text,
    latex_lines,
    latex_text,
    markdown_lines,
    markdown_text,
)

_PARTS = ("mean", "sd", "paper", "minus_paper")


def to_csv(report: ReportTable) -> str:
    """Write one line a row; distances are in grid voxels, spreads over seeds."""
    organs = report.results.organs
    measures = [(f"{m.key}{'_voxels' if m.key != 'dsc' else ''}", m.key) for m in MEASURES]
    header = ["row", "seeds_finished", "seeds_planned"]
    header += [f"{name}_{part}" for name, _ in measures for part in _PARTS]
    header += ["missed_organs", "scored_organs"]
    header += [f"dsc_{organ}_{part}" for organ in organs for part in _PARTS]
    lines: list[list[object]] = [[*header]]
    for row in report.rows:
        line: list[object] = [row.label, row.finished, row.planned]
        for _, key in measures:
            line += _csv_cell(row.cells[key])
        line += [sum(cell.values) if cell.values else None for cell in (row.missed, row.scored)]
        for organ in organs:
            line += _csv_cell(row.organs[organ])
        lines.append(line)
    return csv_text(lines)


def to_markdown(report: ReportTable) -> str:
    """Write the tables and the footnotes as GitHub's Markdown."""
    lines = [f"# {markdown_text(report.table.heading)}", ""]
    for each in report_tables(report).values():
        lines += [f"## {markdown_text(each.title)}", "", *markdown_lines(each), ""]
        lines += [*_markdown_list(each.notes), ""] if each.notes else []
    lines += ["## Notes", "", *_markdown_list(report.footnotes)]
    return "\n".join(lines) + "\n"


def to_latex(report: ReportTable) -> str:
    """Write the tables as LaTeX; needs the package booktabs."""
    parts, notes = ["% \\usepackage{booktabs}"], list(report.footnotes)
    for each in report_tables(report).values():
        parts += [f"% {latex_text(each.title)}", *latex_lines(each), ""]
        notes += each.notes
    parts += ["\\begin{itemize}", *(f"\\item {latex_text(note)}" for note in notes)]
    return "\n".join([*parts, "\\end{itemize}", ""])


def to_json(report: ReportTable) -> str:
    """Write everything: figures, the seeds behind them, their runs, fingerprints, printed."""
    results, told = report.results, report.table
    content = {
        "table": {"name": told.name, "number": told.number, "title": told.title},
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
        "rows": [_json_row(row) for row in report.rows],
        "comparisons": asdict(report.comparisons),
        "settings_that_differ": row_settings(report),
        "cost": [asdict(cost) for cost in row_costs(report)],
        "footnotes": list(report.footnotes),
    }
    # The plan comes from a file and may hold NaN, which is no JSON.
    return json.dumps(_without_nan(content), indent=2, allow_nan=False) + "\n"


def side_by_side(report: ReportTable) -> TerminalTable:
    """Show ours and the paper's for the terminal."""
    title = f"{report.table.heading} (preset {report.results.preset})"
    return terminal_table(replace(main_table(report), title=title))


def terminal_table(table: TextTable) -> TerminalTable:
    """Draw a table of texts for the terminal."""
    shown = TerminalTable(title=Text(table.title), title_justify="left")
    for index, name in enumerate(table.header):
        shown.add_column(Text(name), justify="left" if index == 0 else "right")
    for line in table.body:
        shown.add_row(*(Text(value) for value in line))
    return shown


def _csv_cell(cell: Cell) -> list[float | None]:
    return [cell.mean, cell.sd, cell.printed, cell.difference]


def _markdown_list(notes: Iterable[str]) -> list[str]:
    return [f"- {markdown_text(note)}" for note in notes]


def _json_row(row: ReportRow) -> dict:
    return {
        "label": row.label,
        "seeds_finished": row.finished,
        "seeds_planned": row.planned,
        "measures": {key: _json_cell(cell) for key, cell in row.cells.items()},
        "dsc_by_organ": {organ: _json_cell(cell) for organ, cell in row.organs.items()},
        "distances_mm": {key: _json_cell(cell) for key, cell in row.distances_mm.items()},
        "hd95_grid_missed_at_diagonal": _json_cell(row.at_diagonal),
        "missed_organs": _json_cell(row.missed),
        "scored_organs": _json_cell(row.scored),
        "trials": [
            {
                "seed": trial.seed,
                "status": trial.status,
                "mlflow_run_id": trial.run_id,
                "fingerprints": trial.fingerprints,
                "environment": trial.environment,
                "workers": trial.workers,
                "trained_in": trial.trained_in,
                "recipe": trial.recipe,
                "scores": trial.final,
            }
            for trial in row.trials
        ],
    }


def _json_cell(cell: Cell) -> dict:
    seeds = [{"seed": s.seed, "mlflow_run_id": s.run_id, "value": s.value} for s in cell.seeds]
    return {
        "mean": cell.mean,
        "sd": cell.sd,
        "printed": cell.printed,
        "ours_minus_printed": cell.difference,
        "seeds": seeds,
    }


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value
