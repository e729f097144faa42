"""Two sides compared: what the page of a study and the one across studies both show."""

import dataclasses
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.parts import chart, refusal, text_table
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.learning_curves import learning_curves
from voxsiam_dashboards.figures.organ_boxes import organ_boxes
from voxsiam_dashboards.figures.patient_scatter import measure_panels, patient_scatter
from voxsiam_dashboards.tables.missed_organs import missed_table
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_dashboards.tables.two_rows import (
    ComparedRow,
    RowPair,
    compare_two_rows,
    study_differences,
)
from voxsiam_dashboards.tables.two_rows_tables import dsc_table, effects_table, settings_text_table

Sides = tuple[ComparedRow, ComparedRow]


def comparison(sides: Sides, tables: Sequence[ReportTable], address: Address) -> list[Component]:
    """Show two sides beside each other; what cannot be compared yet says why.

    Args:
        tables: Of A's study and of B's.
    """
    both = side_by_side(*sides, tables)
    curves = chart("curves", learning_curves(both), CAPTIONS["curves"])
    try:
        pair = compare_two_rows(*sides)
    except UserError as error:
        return [refusal(error), html.H2("Learning curves"), curves]
    return [
        *_numbers(pair, sides, address),
        html.H2("Organ by organ"),
        chart("organs", organ_boxes(both),
              "A point is one test case, averaged over seeds; the box spans the quartiles. The "
              "buttons choose DSC, HD95 or ASSD; a missed organ has a DSC of 0 and no distance."),
        text_table(missed_table(*sides), address, len(_tables(pair, sides)) - 1),
        html.H2("Learning curves"),
        curves,
    ]  # fmt: skip


def comparison_tables(sides: Sides) -> Sequence[TextTable]:
    """List the tables of a comparison, as its page shows them."""
    return _tables(compare_two_rows(*sides), sides)


def _numbers(pair: RowPair, sides: Sides, address: Address) -> list[Component]:
    *settings, dsc, effects, _ = _tables(pair, sides)
    return [
        *(text_table(table, address, number) for number, table in enumerate(settings)),
        text_table(dsc, address, len(settings)),
        text_table(effects, address, len(settings) + 1),
        html.H2("Patient by patient"),
        chart("patients", patient_scatter(measure_panels(pair)), CAPTIONS["patients"]),
    ]


def _tables(pair: RowPair, sides: Sides) -> list[TextTable]:
    first, second = sides
    tables = [
        settings_text_table(pair.settings, "Settings that differ"),
        dsc_table(pair),
        effects_table(pair),
        missed_table(first, second),
    ]
    if first.results.study_id == second.results.study_id:
        return tables
    differing = study_differences(first.results, second.results)
    return [settings_text_table(differing, "The studies differ in"), *tables]


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
            fix="wait for its runs, or go on with it: voxsiam study resume "
            f"{table.results.study_id}",
        )
    for row in table.rows:
        if row.label == name:
            return ComparedRow(
                row.label, table.results, row.label_fraction, partners=table.partners
            )
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
