"""A row of one study beside a row of another."""

from collections.abc import Sequence

from dash import Dash, html
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.choices import choice, choices
from voxsiam_dashboards.browser.comparison import (
    Sides,
    comparison,
    comparison_tables,
    default_sides,
    find_side,
    side_options,
)
from voxsiam_dashboards.browser.later import draw_later, later
from voxsiam_dashboards.browser.parts import link, notice
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.store.study_list import StudyEntry
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

PART = "compared-studies"
Chosen = tuple[str, str]
"""A study's own run, and a row or run of it; empty where none can be compared."""


def _content(store: CachedStore, address: Address) -> list[Component]:
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
        later(PART, address),
    ]


def _choose(
    store: CachedStore, side: str, chosen: Chosen, entries: Sequence[StudyEntry]
) -> Component:
    run_id, name = chosen
    studies = {entry.run_id: _study_text(entry) for entry in entries}
    options = {
        f"{run_id}/{value}": text for value, text in side_options(store.table(run_id)).items()
    }
    return choices(
        choice(side, f"{side.upper()}: study", studies, run_id, "study"),
        choice(side, "row, or one run of it", options, f"{run_id}/{name}", "row"),
    )


def _study_text(entry: StudyEntry) -> str:
    """Name a study so that two of one table can be told apart."""
    return f"{entry.study_id} ({entry.data_name or 'unknown data'}, {entry.started:%Y-%m-%d})"


def _chosen(store: CachedStore, address: Address) -> tuple[Chosen, Chosen]:
    """Return both sides; left open they are the newest study's first and last row."""
    newest = next((entry.run_id for entry in store.studies() if entry.kind == "study"), "")
    found: list[Chosen] = []
    for place, side in enumerate("ab"):
        run_id, _, name = address.chosen.get(side, "").partition("/")
        run_id = run_id or (found[0][0] if found else newest)
        default = default_sides(store.table(run_id)) or _only(store.table(run_id))
        found.append((run_id, name or default[place]))
    return found[0], found[1]


def _only(table: ReportTable) -> Chosen:
    """Take what there is of a study with fewer than two finished runs."""
    name = next(iter(side_options(table)), "")
    return name, name


def _compared(store: CachedStore, address: Address) -> tuple[Sides, list[ReportTable]]:
    tables = [store.table(run_id) for run_id, _ in _chosen(store, address)]
    names = [name for _, name in _chosen(store, address)]
    first, second = (find_side(table, name) for table, name in zip(tables, names, strict=True))
    return (first, second), tables


def _draw(store: CachedStore, address: Address) -> list[Component]:
    sides, tables = _compared(store, address)
    return comparison(sides, tables, address)


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    sides, _ = _compared(store, address)
    return comparison_tables(sides)


def _register(app: Dash, store: CachedStore) -> None:
    draw_later(app, store, PART, _draw)


VIEW = View("compare", "Across studies", _content, _tables, register=_register)
