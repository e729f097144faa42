"""The cases behind a study: who saw which, what was checked, and how they look."""

from collections.abc import Sequence
from typing import Any

from dash import Dash, html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.case_reader import CaseReader
from voxsiam_dashboards.browser.choices import choice, choices
from voxsiam_dashboards.browser.later import draw_later, later
from voxsiam_dashboards.browser.parts import facts, notice, text_table
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.figures.montage import MOST_TILES, WIDTH, Tile, tiles_of_runs, tiles_of_set
from voxsiam_dashboards.figures.palette import ORGAN_COLOURS
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.store.run_splits import RunSplit, StudySplits
from voxsiam_dashboards.tables.footnotes import data_kind
from voxsiam_dashboards.tables.split_tables import (
    SIDES,
    case_table,
    check_table,
    row_table,
    run_table,
)
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_data.prepared.prepared_set import PreparedSet

CHECKS, MONTAGE = "data-checks", "montage"


def _content(store: CachedStore, address: Address) -> list[Component]:
    table, splits = store.table(address.run_id), store.splits(address.run_id)
    prepared = _prepared(store, table.results)
    parts = [html.H1("The cases of this study"), facts(_facts(table.results, splits, prepared))]
    if prepared is None:
        parts.append(_elsewhere(table.results))
    if not splits.runs:
        return [*parts, *_no_split(table.name, splits), *_montage(splits, address)]
    if splits.notes:
        parts.append(notice("What follows is said of the runs that could be read.", *splits.notes))
    tables = _fixed_tables(store, address)
    return [
        *parts,
        text_table(tables[0], address, 0),
        html.H2("Which cases a run saw"),
        choices(choice("run", "Run", _runs(splits), _run(splits, address).run_id)),
        text_table(tables[1], address, 1),
        later(CHECKS, address),
        *_montage(splits, address),
        html.H2("Case by case"),
        text_table(tables[2], address, 2, _viewers(store, address)),
    ]


def _facts(
    results: StudyResults, splits: StudySplits, prepared: PreparedSet | None
) -> dict[str, str]:
    prints = results.fingerprints
    config = prepared.config.model_dump(mode="json") if prepared else splits.preparation
    found = dict.fromkeys(t.fingerprints.get("split", "") for t in results.trials)
    return {
        "Data": f"{prints.get('data_name', '')} ({data_kind(results)})",
        "Fingerprint": prints.get("data", ""),
        "Splits": ", ".join(filter(None, found)),
        "Preparation": ", ".join(f"{name} {_value(value)}" for name, value in config.items()
                                 if value is not None),
        "Folder": str(prepared.root) if prepared else "",
    }  # fmt: skip


def _value(value: Any) -> str:  # noqa: ANN401
    return "/".join(f"{each:g}" for each in value) if isinstance(value, list) else str(value)


def _prepared(store: CachedStore, results: StudyResults) -> PreparedSet | None:
    return store.prepared(results.fingerprints.get("data", ""))


def _elsewhere(results: StudyResults) -> Component:
    name = results.fingerprints.get("data_name") or "PREPARED"
    return notice(
        "The prepared set of this study is not visible from here, so its images and annotations "
        "are not shown.",
        f"Where it lies, look at it with: voxsiam data describe {name}",
        "and at its source with: voxsiam data check SOURCE -o FOLDER",
    )


def _no_split(name: str, splits: StudySplits) -> list[Component]:
    return [
        notice(
            "No run of this study says which cases it saw.",
            *splits.notes[:1],
            f"Runs write it when they start: voxsiam study resume {name}",
        )
    ]


def _runs(splits: StudySplits) -> dict[str, str]:
    return {run.run_id: f"{run.row}, seed {run.seed}" for run in splits.runs}


def _run(splits: StudySplits, address: Address) -> RunSplit:
    """Return the run that is chosen, else the first.

    Raises:
        UserError: The study has no such run.
    """
    asked = address.chosen.get("run") or splits.runs[0].run_id
    for run in splits.runs:
        if run.run_id == asked:
            return run
    raise UserError("there is no such run", where=asked, fix="choose one of the list")


def _fixed_tables(store: CachedStore, address: Address) -> tuple[TextTable, ...]:
    table, splits = store.table(address.run_id), store.splits(address.run_id)
    cases = case_table(table, splits, _prepared(store, table.results))
    return row_table(table, splits), run_table(_run(splits, address)), cases


def _viewers(store: CachedStore, address: Address) -> dict[str, Address]:
    """Tell where the cases that can be looked at are shown."""
    openable = CaseReader(store, address.run_id).openable
    return {case_id: address.at("cases", case=case_id) for case_id in openable}


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    splits = store.splits(address.run_id)
    if not splits.runs:
        return ()
    return (*_fixed_tables(store, address), _check_table(store, address))


def _check_table(store: CachedStore, address: Address) -> TextTable:
    prepared = _prepared(store, store.study(address.run_id))
    return check_table(store.splits(address.run_id), prepared)


def _checks(store: CachedStore, address: Address) -> Component:
    return text_table(_check_table(store, address), address, 3)


def _montage(splits: StudySplits, address: Address) -> list[Component]:
    heading = html.H2("How they look")
    if splits.widest is None:
        return [heading, later(MONTAGE, address)]
    counts = {side: f"{name} ({len(getattr(splits.widest, side))})" for side, name in SIDES.items()}
    fields = choices(choice("side", "Cases", counts, _side(address)))
    return [heading, fields, later(MONTAGE, address)]


def _side(address: Address) -> str:
    side = address.chosen.get("side")
    return side if side in SIDES else "test"


def _pictures(store: CachedStore, address: Address) -> list[Component]:
    results, widest = store.study(address.run_id), store.splits(address.run_id).widest
    prepared, side = _prepared(store, results), _side(address)
    if prepared is not None and widest is not None:
        ids = getattr(widest, side)
        tiles = tiles_of_set(prepared, ids[:MOST_TILES])
        left = f"{len(ids) - len(tiles)} more are not drawn. " if len(ids) > len(tiles) else ""
    else:
        tiles = tiles_of_runs(results) if side == "test" else []
        left = "Only the test cases that runs have kept are visible from here. "
    if not tiles:
        return [notice(f"There is no {SIDES[side]} case to show. {left}")]
    told = (
        f"{left}The axial slice through the most organs of each case, with the ground truth; the "
        "patient's right is on the left, anterior on top."
    )
    return [html.Div([_tile(tile) for tile in tiles], className="montage"), _key(),
            html.P(told, className="soft")]  # fmt: skip


def _tile(tile: Tile) -> Component:
    text = f"{tile.case_id}, slice {tile.slice_index}"
    return html.Figure(
        [html.Img(src=tile.address, alt=text, width=WIDTH, height=tile.height),
         html.Figcaption(text)]
    )  # fmt: skip


def _key() -> Component:
    """Name the organs' colours."""
    organs = [
        html.Li([html.Span(style={"background": ORGAN_COLOURS[organ]}), organ_title(organ)])
        for organ in ORGANS
    ]
    return html.Ul(organs, className="key")


def _register(app: Dash, store: CachedStore) -> None:
    draw_later(app, store, CHECKS, _checks)
    draw_later(app, store, MONTAGE, _pictures)


VIEW = View("data", "Data", _content, _tables, register=_register)
