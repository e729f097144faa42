"""voxsiam study compare: two studies, or two of their rows, side by side."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from voxsiam.errors import UserError, nearest_name
from voxsiam.orchestration.studies.ledger import choose_ledger
from voxsiam.orchestration.workspace import Workspace as Folder
from voxsiam_cli.console import console, print_json, say
from voxsiam_cli.options import DEFAULT_WORKSPACE, AsJson, Workspace
from voxsiam_cli.workspace import open_workspace

if TYPE_CHECKING:
    from voxsiam_dashboards.store.results import StudyResults
    from voxsiam_dashboards.tables.two_rows import ComparedRow, RowPair

Side = Annotated[
    str, typer.Argument(help="A study (table3), its id, or a row: 'table3/feature (3)'.")
]


def compare(
    first: Side,
    second: Side,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Show the settings in which two rows, or two studies, differ, and what that does.

    Examples:
    voxsiam study compare 'table3/feature (1)' 'table3/feature (3)'

    voxsiam study compare table3-tiny-0a1b2c3d table3-tiny-4e5f6a7b
    """
    from voxsiam_cli.study.report import refuse_unread
    from voxsiam_dashboards.tables.two_rows import compare_studies, compare_two_rows
    from voxsiam_experiments.studies import table_of

    folder = open_workspace(workspace, "look", as_json=as_json)
    sides = [_find(text, folder) for text in (first, second)]
    refuse_unread([line for results, _ in sides for line in results.unread])
    (study_a, row_a), (study_b, row_b) = sides
    if row_a is not None and row_b is not None:
        differing, pairs = {}, (compare_two_rows(row_a, row_b),)
    elif row_a is None and row_b is None:
        table = table_of(choose_ledger(folder, first).plan)
        differing, pairs = compare_studies(study_a, study_b, table)
    else:
        raise UserError(
            "a row and a whole study cannot be compared",
            where=f"{first} and {second}",
            fix="name two rows, or two studies",
        )
    if as_json:
        print_json({"studies_differ_in": differing, "rows": [asdict(pair) for pair in pairs]})
        return
    _show(differing, pairs, of_studies=row_a is None)


def _find(text: str, folder: Folder) -> "tuple[StudyResults, ComparedRow | None]":
    """Return the study that a side names, and the row where it names one."""
    from voxsiam_dashboards.store.study_reading import find_study, load_study
    from voxsiam_dashboards.tables.two_rows import ComparedRow
    from voxsiam_experiments.studies import table_of

    study, _, label = text.partition("/")
    plan, uri = choose_ledger(folder, study).plan, folder.tracking_uri
    results = load_study(uri, find_study(uri, plan.study_id))
    if not label:
        return results, None
    table = table_of(plan)
    rows = {row.label: row for row in table.rows}
    if label not in rows:
        raise UserError(
            f"{plan.study} has no row '{label}'", where=text, fix=nearest_name(label, tuple(rows))
        )
    fraction = rows[label].label_fraction
    return results, ComparedRow(label, results, fraction, partners=table.partners)


def _show(
    differing: dict[str, tuple[str, ...]], pairs: "tuple[RowPair, ...]", *, of_studies: bool
) -> None:
    from voxsiam_dashboards.tables.files import terminal_table
    from voxsiam_dashboards.tables.two_rows_tables import (
        dsc_table,
        effects_table,
        settings_text_table,
    )

    tables = [settings_text_table(differing, "The studies differ in")] if of_studies else []
    for pair in pairs:
        tables.append(settings_text_table(pair.settings, "Settings that differ"))
        tables += [dsc_table(pair), effects_table(pair)]
    for table in tables:
        if table.body:
            console.print(terminal_table(table))
        else:
            say(f"{table.title}:")
        for note in table.notes:
            say(note, "dim")
