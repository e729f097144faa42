"""The feature space of test voxels: a panel for each encoder level of the rows that are chosen."""

import dataclasses
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.choices import choice, choices
from voxsiam_dashboards.browser.parts import chart, notice, text_table
from voxsiam_dashboards.browser.view import View, place_for
from voxsiam_dashboards.figures.feature_space import (
    feature_panels,
    feature_space,
    silhouette_table,
)
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.text_table import TextTable

PART = "feature-space"
NONE, ALL = "-", "*"
"""Beside a row: nothing, or every other one."""


def _content(store: CachedStore, address: Address) -> list[Component]:
    labels = list(_kept(store.table(address.run_id)))
    title = html.H1("Feature space of test voxels")
    if not labels:
        missing = notice(
            "No finished run of this study has kept features of its test voxels.",
            "Runs keep them when they are tested: wait for the first run to finish.",
        )
        return [title, missing]
    row, beside = _chosen(labels, address)
    options = dict(zip(labels, labels, strict=True))
    others = {NONE: "nothing", ALL: "every row"} | options
    fields = choice("row", "Row", options, row), choice("beside", "below it", others, beside)
    return [title, choices(*fields), place_for(PART, address)]


def _kept(table: ReportTable) -> dict[str, ReportRow]:
    """Return the rows that have kept features, by their labels."""
    return {row.label: row for row in table.rows if any(t.features is not None for t in row.trials)}


def _chosen(labels: Sequence[str], address: Address) -> tuple[str, str]:
    """Return the row and what stands below it: the first and the last where that is left open."""
    row = address.chosen.get("row") or labels[0]
    beside = address.chosen.get("beside") or (labels[-1] if labels[-1] != row else NONE)
    return row, beside


def _shown(store: CachedStore, address: Address) -> ReportTable:
    """Leave the chosen rows in a table; a UserError where one of them has kept no features."""
    table = store.table(address.run_id)
    rows = _kept(table)
    row, beside = _chosen(list(rows), address) if rows else ("", NONE)
    wanted = list(rows) if beside == ALL else [label for label in (row, beside) if label != NONE]
    for label in wanted:
        if label not in rows:
            raise UserError(
                f"the row '{label}' has kept no features",
                where=table.results.study_id,
                fix="choose one of the list",
            )
    chosen = tuple(rows[label] for label in dict.fromkeys(wanted))
    return dataclasses.replace(table, rows=chosen)


def _draw(store: CachedStore, address: Address) -> list[Component]:
    panels = feature_panels(_shown(store, address), store.cache)
    return [
        chart("features", feature_space(panels)),
        text_table(silhouette_table(panels), address),
    ]


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    shown = _shown(store, address)
    return (silhouette_table(feature_panels(shown, store.cache)),) if shown.rows else ()


VIEW = View("Feature space", _content, _tables, later={PART: _draw})
