"""One study: how far its trainings are, and the paper's table with ours beside it."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import chart, facts, link, notice, saves, text_table
from voxsiam_dashboards.browser.trainings import live_trainings
from voxsiam_dashboards.browser.view import View, place_for
from voxsiam_dashboards.figures.learning_curves import learning_curves
from voxsiam_dashboards.figures.organ_boxes import organ_boxes
from voxsiam_dashboards.reports.study import study_facts
from voxsiam_dashboards.tables.footnotes import warnings
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import MEASURES, Cell, ReportRow
from voxsiam_dashboards.tables.study_tables import report_tables
from voxsiam_dashboards.tables.text_table import TextTable

PART = "study"


def _content(store: CachedStore, address: Address) -> list[Component]:
    table = store.figures(address.run_id)
    return [
        html.H1(table.table.heading),
        facts(study_facts(table)),
        *(notice(text) for text in warnings(table.results)),
        html.Div([html.H2(table.main_title), saves(address, 0)], className="titled"),
        html.Div(_main_table(store, address, table), className="scroll"),
        html.P("Mean and standard deviation over seeds. A figure opens into its seeds, each linked "
               "to its MLflow run.", className="soft"),
        place_for(PART, address),
    ]  # fmt: skip


def _later(store: CachedStore, address: Address) -> list[Component]:
    """Show what takes a second or more: tests, costs, charts."""
    table = store.table(address.run_id)
    tables = report_tables(table).values()
    return [
        *(text_table(each, address, number) for number, each in enumerate(tables) if number),
        chart("organs", organ_boxes(table)),
        chart("curves", learning_curves(table)),
        html.H2("Notes"),
        html.Ol([html.Li(note) for note in table.footnotes], className="notes"),
    ]


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    return [*report_tables(store.table(address.run_id)).values()]


def _main_table(store: CachedStore, address: Address, table: ReportTable) -> Component:
    paper = table.has_printed
    over = [html.Th("Row", rowSpan=2), html.Th("Seeds", rowSpan=2)]
    over += [html.Th(measure.title, colSpan=3 if paper else 1) for measure in MEASURES]
    over += [html.Th("Missed organs", rowSpan=2), html.Th("", rowSpan=2)]
    names = ("ours", "paper", "ours - paper") * len(MEASURES) if paper else ("",) * len(MEASURES)
    under = [html.Th(name, className="paper" if name == "paper" else "") for name in names]
    head = html.Thead([html.Tr(over, className="over"), html.Tr(under, className="under")])
    lines = [_line(store, address, row, paper=paper) for row in table.rows]
    return html.Table([head, html.Tbody(lines)])


def _line(store: CachedStore, address: Address, row: ReportRow, *, paper: bool) -> Component:
    cells: list[Component] = []
    for measure in MEASURES:
        cell, left_out = row.cells[measure.key], row.left_out(measure.key)
        told = [html.Span(left_out, className="left-out")] if left_out else []
        cells.append(html.Td([_figures(store, cell, cell.text), *told]))
        if paper:
            cells.append(html.Td(cell.printed_text, className="paper"))
            cells.append(html.Td(cell.difference_text))
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


def _figures(store: CachedStore, cell: Cell, text: str, form: str = "{:.3f}") -> Component:
    """Show a figure that opens into its seeds, each linked to its run."""
    if not cell.seeds:
        return html.Span(text, className="open")
    seeds: list[Component] = []
    for seed in cell.seeds:
        value = "undefined" if seed.value is None else form.format(seed.value)
        there = html.A(value, href=store.run_address(seed.run_id))
        seeds.append(html.Li([f"seed {seed.seed}: ", there]))
    return html.Details([html.Summary(text), html.Ul(seeds)])


VIEW = View("Table", _content, _tables, live=live_trainings, later={PART: _later})
