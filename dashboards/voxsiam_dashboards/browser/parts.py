"""What all pages are made of: charts and tables that can be saved, facts, notices, links."""

import logging
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.tables.text_table import TextTable

log = logging.getLogger(__name__)

FORMATS = {"csv": "CSV", "tex": "LaTeX"}
MANY_LINES = 40
"""Above it a table can be searched."""

_LONGEST_LINE = 60
"""Letters of a cell before it is broken into lines."""


def chart(name: str, figure: go.Figure | None, caption: str = "") -> Component:
    """Show a figure with buttons that save it; a notice where there is none.

    Args:
        name: Unique in its page; the saved file is called so.
        caption: What a reader must know of it, where that is not what stands in CAPTIONS.
    """
    caption = caption or CAPTIONS[name]
    if figure is None:
        return notice(f"Nothing to draw yet: {caption}")
    saves = [
        html.Button(label, className="save", name=f"chart-{name}", value=kind)
        for kind, label in (("svg", "SVG"), ("png", "PNG"))
    ]
    return html.Figure(
        [
            html.Div(saves, className="saves"),
            dcc.Graph(
                id=f"chart-{name}",
                figure=figure,
                config={"displaylogo": False, "displayModeBar": False, "responsive": True},
                style={"height": f"{figure.layout['height'] or 420}px"},
            ),
            html.Figcaption(caption),
        ]
    )


def text_table(
    table: TextTable, address: Address, number: int = 0, links: Mapping[str, Address] | None = None
) -> Component:
    """Show a table with links that save it.

    Args:
        number: Its place among the page's tables.
        links: Where the first cell of a line leads, by its text.
    """
    lines = [
        html.Tr([_cell(table, line, column, links or {}) for column in range(len(texts))])
        for line, texts in enumerate(table.body)
    ]
    return html.Section(
        [
            html.Div([html.H3(table.title), saves(address, number)], className="titled"),
            *_searched(scrolled(table.header, lines), len(lines)),
            *(html.P(note, className="soft") for note in table.notes),
        ]
    )


def _searched(table: Component, lines: int) -> list[Component]:
    """Put a search above a long table, which scrolls by itself (assets/search.js)."""
    if lines <= MANY_LINES:
        return [table]
    search = dcc.Input(type="search", className="search", placeholder=f"search {lines} lines")
    return [search, html.Div(table, className="tall")]


def scrolled(header: Sequence[str], lines: Sequence[Component]) -> Component:
    """Put lines under a header; what is too wide for the page scrolls by itself."""
    head = html.Thead(html.Tr([html.Th(text) for text in header]))
    table = html.Table([head, html.Tbody(lines)], className="narrow")
    return html.Div(table, className="scroll")


def saves(address: Address, number: int) -> Component:
    """Link to a table of a page as files."""
    return html.Span(
        [
            html.A(label, href=f"/download/{number}.{kind}{address}", download="", className="save")
            for kind, label in FORMATS.items()
        ],
        className="saves",
    )


def facts(named: Mapping[str, str]) -> Component:
    """Show names and values in a line; what is empty is left out."""
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(value)]) for name, value in named.items() if value],
        className="facts",
    )


def notice(text: str, *more: "Component | str") -> Component:
    """Say in a frame of its own what a reader must know."""
    return html.Div([html.P(text), *(html.P(each) for each in more)], className="banner")


def refusal(error: UserError) -> Component:
    """Say what is wrong, where, and what to do."""
    return html.Div(
        [html.P(html.B(error.what)), html.P(f"where: {error.where}"), html.P(f"fix: {error.fix}")],
        className="banner",
        role="alert",
    )


def told(error: Exception) -> Component:
    """Say what is wrong; what nobody has foreseen is also printed where the command runs."""
    if isinstance(error, UserError):
        return refusal(error)
    log.error("a page cannot be drawn", exc_info=error)
    return refusal(
        UserError(
            f"this cannot be drawn ({type(error).__name__}: {error!s:.200})",
            where="voxsiam dashboard",
            fix="the whole error stands where the command runs; please report it",
        )
    )


def link(text: str, address: Address, *, chosen: bool = False) -> Component:
    """Lead to another view."""
    return dcc.Link(text, href=str(address), className="place chosen" if chosen else "place")


def _cell(table: TextTable, line: int, column: int, links: Mapping[str, Address]) -> Component:
    text = table.body[line][column]
    if column == 0:
        there = links.get(text)
        return html.Th(text if there is None else link(text, there), scope="row")
    name = "wrapped" if len(text) > _LONGEST_LINE else ""
    return html.Td(html.Strong(text) if (line, column) in table.bold else text, className=name)
