"""One study: how far its trainings are, and the paper's table with ours beside it."""

from collections.abc import Sequence

from dash import Dash, html
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.later import draw_later, later
from voxsiam_dashboards.browser.parts import chart, facts, link, notice, saves, text_table
from voxsiam_dashboards.browser.trainings import live_trainings
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.learning_curves import learning_curves
from voxsiam_dashboards.figures.organ_boxes import organ_boxes
from voxsiam_dashboards.reports.study import study_facts
from voxsiam_dashboards.tables.footnotes import warnings
from voxsiam_dashboards.tables.rows import MEASURES, Cell, ReportRow
from voxsiam_dashboards.tables.study_tables import report_tables
from voxsiam_dashboards.tables.text_table import TextTable

PART = "study"


def _content(store: CachedStore, address: Address) -> list[Component]:
    table = store.figures(address.run_id)
    return [
        html.H1(table.heading),
        facts(study_facts(table)),
        *(notice(text) for text in warnings(table.results)),
        html.Div([html.H2("Ours beside the paper's"), saves(address, 0)], className="titled"),
        html.Div(_main_table(store, address, table.rows), className="scroll"),
        html.P("Mean and standard deviation over seeds. A figure opens into its seeds, each linked "
               "to its MLflow run.", className="soft"),
        later(PART, address),
    ]  # fmt: skip


def _later(store: CachedStore, address: Address) -> list[Component]:
    """Show what takes a second or more: tests, costs, charts."""
    table = store.table(address.run_id)
    tables = report_tables(table)
    return [
        *(text_table(each, address, number) for number, each in enumerate(tables) if number),
        chart("organs", organ_boxes(table), CAPTIONS["organs"]),
        chart("curves", learning_curves(table), CAPTIONS["curves"]),
        html.H2("Notes"),
        html.Ol([html.Li(note) for note in table.footnotes], className="notes"),
    ]


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    return report_tables(store.table(address.run_id))


def _main_table(store: CachedStore, address: Address, rows: Sequence[ReportRow]) -> Component:
    over = [html.Th("Row", rowSpan=2), html.Th("Seeds", rowSpan=2)]
    over += [html.Th(measure.title, colSpan=3) for measure in MEASURES]
    over += [html.Th("Missed organs", rowSpan=2), html.Th("", rowSpan=2)]
    under = [
        html.Th(name, className="paper" if name == "paper" else "")
        for _ in MEASURES
        for name in ("ours", "paper", "ours - paper")
    ]
    head = html.Thead([html.Tr(over, className="over"), html.Tr(under, className="under")])
    return html.Table([head, html.Tbody([_line(store, address, row) for row in rows])])


def _line(store: CachedStore, address: Address, row: ReportRow) -> Component:
    cells: list[Component] = []
    for measure in MEASURES:
        cell = row.cells[measure.key]
        cells += [
            html.Td([_figures(store, cell, cell.text), *_left_out(row, measure.key)]),
            html.Td(cell.printed_text, className="paper"),
            html.Td(cell.difference_text),
        ]
    mistakes = link("mistakes", address.at("cases", rows=row.label))
    return html.Tr(
        [
            html.Th(row.label, scope="row"),
            html.Td(row.seeds_text, className="open" if row.finished < row.planned else ""),
            *cells,
            html.Td(_figures(store, row.missed, row.missed_text, "{:.0f}")),
            html.Td(mistakes if row.finished else ""),
        ]
    )


def _left_out(row: ReportRow, key: str) -> list[Component]:
    """Say below a distance what it leaves out."""
    told = row.left_out(key)
    return [html.Span(told, className="left-out")] if told else []


def _figures(store: CachedStore, cell: Cell, text: str, form: str = "{:.3f}") -> Component:
    """Show a figure that opens into its seeds, each linked to its run."""
    if not cell.seeds:
        return html.Span(text, className="open")
    seeds = [
        html.Li(
            [
                f"seed {seed.seed}: ",
                html.A(
                    "undefined" if seed.value is None else form.format(seed.value),
                    href=store.run_address(seed.run_id),
                ),
            ]
        )
        for seed in cell.seeds
    ]
    return html.Details([html.Summary(text), html.Ul(seeds)])


def _register(app: Dash, store: CachedStore) -> None:
    draw_later(app, store, PART, _later)


VIEW = View("study", "Table", _content, _tables, live=live_trainings, register=_register)
