"""The feature space of test voxels: a panel for each encoder level of the rows that are chosen."""

import dataclasses
from collections.abc import Sequence

from dash import Dash, html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.choices import choice, choices
from voxsiam_dashboards.browser.later import draw_later, later
from voxsiam_dashboards.browser.parts import chart, notice, text_table
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.feature_space import (
    feature_panels,
    feature_space,
    silhouette_table,
)
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

PART = "feature-space"
NONE, ALL = "-", "*"
"""Beside a row: nothing, or every other one."""


def _content(store: CachedStore, address: Address) -> list[Component]:
    table = store.table(address.run_id)
    labels = _labels(table)
    title = html.H1("Feature space of test voxels")
    if not labels:
        return [
            title,
            notice(
                "No finished run of this study has kept features of its test voxels.",
                "Runs keep them when they are tested: wait for the first run to finish.",
            ),
        ]
    row, beside = _chosen(labels, address)
    options = {label: label for label in labels}
    others = {NONE: "nothing", ALL: "every row"} | options
    fields = choices(
        choice("row", "Row", options, row), choice("beside", "below it", others, beside)
    )
    return [title, fields, later(PART, address)]


def _labels(table: ReportTable) -> list[str]:
    """Name the rows that have kept features."""
    return [
        row.label for row in table.rows if any(trial.features is not None for trial in row.trials)
    ]


def _chosen(labels: Sequence[str], address: Address) -> tuple[str, str]:
    """Return the row and what stands below it: the first and the last where that is left open."""
    row = address.chosen.get("row") or labels[0]
    beside = address.chosen.get("beside") or (labels[-1] if labels[-1] != row else NONE)
    return row, beside


def _shown(store: CachedStore, address: Address) -> ReportTable:
    """Leave the chosen rows in a table.

    Raises:
        UserError: One of them has kept no features.
    """
    table = store.table(address.run_id)
    labels = _labels(table)
    row, beside = _chosen(labels, address) if labels else ("", NONE)
    wanted = labels if beside == ALL else [label for label in (row, beside) if label != NONE]
    for label in wanted:
        if label not in labels:
            raise UserError(
                f"the row '{label}' has kept no features",
                where=table.results.study_id,
                fix="choose one of the list",
            )
    rows = {each.label: each for each in table.rows}
    chosen = tuple(rows[label] for label in dict.fromkeys(wanted))
    return dataclasses.replace(table, rows=chosen)


def _draw(store: CachedStore, address: Address) -> list[Component]:
    panels = feature_panels(_shown(store, address), store.cache)
    return [
        chart("features", feature_space(panels), CAPTIONS["features"]),
        text_table(silhouette_table(panels), address),
    ]


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    shown = _shown(store, address)
    return (silhouette_table(feature_panels(shown, store.cache)),) if shown.rows else ()


def _register(app: Dash, store: CachedStore) -> None:
    draw_later(app, store, PART, _draw)


VIEW = View("features", "Feature space", _content, _tables, register=_register)
