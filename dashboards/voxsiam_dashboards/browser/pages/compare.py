"""Two rows or runs beside each other, of one study or of two: what differs, what that does."""

import dataclasses
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.choices import choice, choices
from voxsiam_dashboards.browser.parts import chart, link, notice, refusal, text_table
from voxsiam_dashboards.browser.view import View, place_for
from voxsiam_dashboards.figures.learning_curves import learning_curves
from voxsiam_dashboards.figures.organ_boxes import organ_boxes
from voxsiam_dashboards.figures.patient_scatter import measure_panels, patient_scatter
from voxsiam_dashboards.store.study_list import StudyEntry
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_dashboards.tables.two_rows import (
    ComparedRow,
    RowPair,
    compare_two_rows,
    study_differences,
)
from voxsiam_dashboards.tables.two_rows_tables import (
    dsc_table,
    effects_table,
    missed_table,
    settings_text_table,
)

PART, PART_ACROSS = "compared", "compared-studies"

Chosen = tuple[str, str]
"""A study's own run, and a row or run of it; empty where none can be compared."""


def _of_one_study(store: CachedStore, address: Address) -> list[Component]:
    table = store.table(address.run_id)
    title = html.H1("Two rows beside each other")
    chosen = _chosen(store, address)
    first, second = (name for _, name in chosen)
    if not (first and second):
        return [title, _nothing(table)]
    options = _options(table)
    across = {side: "/".join(each) for side, each in zip("ab", chosen, strict=True)}
    return [
        title,
        choices(
            choice("a", "A: a row, or one run of it", options, first),
            choice("b", "B", options, second),
        ),
        html.P(
            [
                link("Swap A and B", address.at("compare", a=second, b=first)),
                link("Compare with another study", Address("compare", chosen=across)),
            ]
        ),
        place_for(PART, address),
    ]


def _nothing(table: ReportTable) -> Component:
    finished = sum(row.finished for row in table.rows)
    return notice(
        f"Two finished runs are needed for a comparison; this study has {finished}.",
        f"Wait for them, or go on with the study: voxsiam study resume {table.results.study_id}",
    )


def _across_studies(store: CachedStore, address: Address) -> list[Component]:
    entries = [entry for entry in store.studies() if entry.kind == "study"]
    title = html.H1("Across studies")
    if not entries:
        run = "run one: voxsiam study run table3 --preset tiny"
        return [title, notice("There is no study in this store yet.", run)]
    first, second = _chosen(store, address)
    swapped = Address("compare", chosen={"a": "/".join(second), "b": "/".join(first)})
    return [
        title,
        _choose(store, "a", first, entries),
        _choose(store, "b", second, entries),
        html.P(link("Swap A and B", swapped)),
        place_for(PART_ACROSS, address),
    ]


def _choose(
    store: CachedStore, side: str, chosen: Chosen, entries: Sequence[StudyEntry]
) -> Component:
    run_id, name = chosen
    studies = {
        # So that two of one table can be told apart.
        e.run_id: f"{e.study_id} ({e.data_name or 'unknown data'}, {e.started:%Y-%m-%d})"
        for e in entries
    }
    options = {f"{run_id}/{value}": text for value, text in _options(store.table(run_id)).items()}
    return choices(
        choice(side, f"{side.upper()}: study", studies, run_id, "study"),
        choice(side, "row, or one run of it", options, f"{run_id}/{name}", "row"),
    )


def _options(table: ReportTable) -> dict[str, str]:
    """List what can be compared: rows by their labels, then runs by MLflow's names of them."""
    started = [row for row in table.rows if row.trials]
    rows = {
        row.label: row.label if row.finished else f"{row.label} (not finished)" for row in started
    }
    runs = {
        trial.run_id: f"{row.label}, seed {trial.seed} alone"
        for row in started
        for trial in row.trials
        if trial.finished
    }
    return rows | runs


def _chosen(store: CachedStore, address: Address) -> tuple[Chosen, Chosen]:
    """Return both sides; left open they are the first and last row, of the newest study."""
    newest = next((entry.run_id for entry in store.studies() if entry.kind == "study"), "")
    found: list[Chosen] = []
    for place, side in enumerate("ab"):
        asked = address.chosen.get(side, "")
        run_id, _, name = asked.partition("/")
        if address.run_id:
            run_id, name = address.run_id, asked
        run_id = run_id or (found[0][0] if found else newest)
        found.append((run_id, name or _default(store.table(run_id), address)[place]))
    return found[0], found[1]


def _default(table: ReportTable, address: Address) -> tuple[str, str]:
    """Take the first and the last finished row, else two runs of one."""
    rows = [row for row in table.rows if row.finished]
    names: Sequence[str] = [row.label for row in rows]
    if len(rows) == 1:
        names = [trial.run_id for trial in rows[0].trials if trial.finished]
    if len(names) > 1:
        return names[0], names[-1]
    # Across studies the other one may have what is missing here.
    only = "" if address.run_id else next(iter(_options(table)), "")
    return only, only


def _draw(store: CachedStore, address: Address) -> list[Component]:
    """Show two sides beside each other; what cannot be compared yet says why."""
    sides, tables = _sides(store, address)
    if not sides:
        return [_nothing(tables[0])]
    rows = tuple(map(_lettered, "AB", sides, tables))
    both = dataclasses.replace(tables[0], rows=rows)
    curves = chart("curves", learning_curves(both))
    try:
        pair = compare_two_rows(*sides)
    except UserError as error:
        return [refusal(error), html.H2("Learning curves"), curves]
    texts = enumerate(_text_tables(pair, *sides))
    *numbers, missed = (text_table(table, address, number) for number, table in texts)
    return [
        *numbers,
        html.H2("Patient by patient"),
        chart("patients", patient_scatter(measure_panels(pair))),
        html.H2("Organ by organ"),
        chart("organs", organ_boxes(both),
              "A point is one test case, averaged over seeds; the box spans the quartiles. The "
              "buttons choose DSC, HD95 or ASSD; a missed organ has a DSC of 0 and no distance."),
        missed,
        html.H2("Learning curves"),
        curves,
    ]  # fmt: skip


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    sides, _ = _sides(store, address)
    return _text_tables(compare_two_rows(*sides), *sides) if sides else ()


def _sides(
    store: CachedStore, address: Address
) -> tuple[tuple[ComparedRow, ComparedRow] | None, list[ReportTable]]:
    """Find both sides, with the tables of their studies; None where one study has too few."""
    chosen = _chosen(store, address)
    tables = [store.table(run_id) for run_id, _ in chosen]
    if address.run_id and not all(name for _, name in chosen):
        return None, tables
    first, second = (_find(table, name) for table, (_, name) in zip(tables, chosen, strict=True))
    return (first, second), tables


def _find(table: ReportTable, name: str) -> ComparedRow:
    """Find a row by its label or a run by MLflow's name of it; a UserError where there is none."""
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
                row.label, table.results, row.label_fraction, partners=table.table.partners
            )
        for trial in row.trials:
            if trial.run_id == name:
                return ComparedRow(row.label, table.results, row.label_fraction, trial.seed)
    raise UserError(
        f"there is no row and no run '{name}' in this study",
        where=table.results.study_id,
        fix="choose one of the list",
    )


def _lettered(letter: str, side: ComparedRow, table: ReportTable) -> ReportRow:
    """Return a side as a row of a table of its own, for the charts of tables."""
    row = next(row for row in table.rows if row.label == side.label)
    label = f"{letter}: {side.title}"
    return dataclasses.replace(row, label=label, trials=tuple(side.started))


def _text_tables(pair: RowPair, first: ComparedRow, second: ComparedRow) -> list[TextTable]:
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


OF_ONE_STUDY = View("Compare", _of_one_study, _tables, later={PART: _draw})
ACROSS_STUDIES = View("Across studies", _across_studies, _tables, later={PART_ACROSS: _draw})
