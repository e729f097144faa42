"""Two rows, or two runs, of one study beside each other: what differs, and what that does."""

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
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

PART = "compared"


def _content(store: CachedStore, address: Address) -> list[Component]:
    table = store.table(address.run_id)
    names = _names(table, address)
    title = html.H1("Two rows beside each other")
    if names is None:
        return [title, _nothing(table)]
    first, second = names
    options = side_options(table)
    across = {side: f"{address.run_id}/{name}" for side, name in zip("ab", names, strict=True)}
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
        later(PART, address),
    ]


def _names(table: ReportTable, address: Address) -> tuple[str, str] | None:
    """Return what the address chooses; what it leaves open is chosen here."""
    asked = address.chosen.get("a", ""), address.chosen.get("b", "")
    default = default_sides(table)
    if all(asked) or default is None:
        return asked if all(asked) else None
    return asked[0] or default[0], asked[1] or default[1]


def _sides(table: ReportTable, address: Address) -> Sides | None:
    names = _names(table, address)
    return None if names is None else (find_side(table, names[0]), find_side(table, names[1]))


def _draw(store: CachedStore, address: Address) -> list[Component]:
    table = store.table(address.run_id)
    sides = _sides(table, address)
    return [_nothing(table)] if sides is None else comparison(sides, (table, table), address)


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    sides = _sides(store.table(address.run_id), address)
    return () if sides is None else comparison_tables(sides)


def _nothing(table: ReportTable) -> Component:
    finished = sum(row.finished for row in table.rows)
    return notice(
        f"Two finished runs are needed for a comparison; this study has {finished}.",
        f"Wait for them, or go on with the study: voxsiam study resume {table.results.study_id}",
    )


def _register(app: Dash, store: CachedStore) -> None:
    draw_later(app, store, PART, _draw)


VIEW = View("compare", "Compare", _content, _tables, register=_register)
