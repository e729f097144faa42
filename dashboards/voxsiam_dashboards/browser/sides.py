"""The two sides of a comparison: rows of a study, or single runs, as an address names them."""

import dataclasses
from collections.abc import Sequence

from voxsiam.errors import UserError
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.two_rows import ComparedRow


def side_options(table: ReportTable) -> dict[str, str]:
    """List what can be compared: rows by their labels, then runs by MLflow's names of them."""
    started = [row for row in table.rows if row.trials]
    rows = {row.label: _row_text(row) for row in started}
    runs = {
        trial.run_id: f"{row.label}, seed {trial.seed} alone"
        for row in started
        for trial in row.trials
        if trial.finished
    }
    return rows | runs


def find_side(table: ReportTable, name: str) -> ComparedRow:
    """Find a row by its label or a run by MLflow's name of it.

    Raises:
        UserError: The study has neither.
    """
    if not name:
        raise UserError(
            "there is nothing to compare in this study yet",
            where=table.results.study_id,
            fix=f"wait for its runs, or go on with it: voxsiam study resume {table.name}",
        )
    for row in table.rows:
        if row.label == name:
            return ComparedRow(row.label, table.results, row.label_fraction)
        for trial in row.trials:
            if trial.run_id == name:
                return ComparedRow(row.label, table.results, row.label_fraction, trial.seed)
    raise UserError(
        f"there is no row and no run '{name}' in this study",
        where=table.results.study_id,
        fix="choose one of the list",
    )


def default_sides(table: ReportTable) -> tuple[str, str] | None:
    """Take the first and the last finished row, else two runs of one; None where there are none."""
    rows = [row for row in table.rows if row.finished]
    names: Sequence[str] = [row.label for row in rows]
    if len(rows) == 1:
        names = [trial.run_id for trial in rows[0].trials if trial.finished]
    return (names[0], names[-1]) if len(names) > 1 else None


def side_by_side(
    first: ComparedRow, second: ComparedRow, tables: Sequence[ReportTable]
) -> ReportTable:
    """Return a table of the two sides alone, for the charts of tables.

    Args:
        first: A.
        second: B.
        tables: Of A's study and of B's.
    """
    sides = zip("AB", (first, second), tables, strict=True)
    rows = tuple(_as_row(letter, side, table) for letter, side, table in sides)
    return dataclasses.replace(tables[0], rows=rows)


def _as_row(letter: str, side: ComparedRow, table: ReportTable) -> ReportRow:
    row = next(row for row in table.rows if row.label == side.label)
    label = f"{letter}: {side.title}"
    return dataclasses.replace(row, label=label, trials=tuple(side.started))


def _row_text(row: ReportRow) -> str:
    return row.label if row.finished else f"{row.label} (not finished)"
