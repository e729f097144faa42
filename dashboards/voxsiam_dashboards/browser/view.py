"""What a page is to the application: all that it shows follows from an address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import told
from voxsiam_dashboards.tables.text_table import TextTable

Content = Component | str | Sequence["Component | str | None"]
Draw = Callable[[CachedStore, Address], Content]


@dataclass(frozen=True)
class View:
    """A page.

    Attributes:
        title: What its tab says.
        content: What it shows at once.
        tables: What can be downloaded from it, in the order in which the content shows them.
        live: The part of it that changes while a study runs; drawn anew every few seconds.
        later: What takes longer than a reader waits for the page itself, by names unique in the
            application; the content leaves a place for each.
        register: Adds the page's own callbacks.
    """

    title: str
    content: Draw
    tables: Callable[[CachedStore, Address], Sequence[TextTable]]
    live: Callable[[CachedStore, Address], Component | None] | None = None
    later: Mapping[str, Draw] = field(default_factory=dict)
    register: Callable[[Dash, CachedStore], None] = lambda _app, _store: None


def place_for(name: str, address: Address) -> Component:
    """Leave a place for one of the view's later parts; the browser asks for it at once."""
    return html.Div(
        [
            dcc.Store(id=f"{name}-address", data=str(address)),
            dcc.Loading(html.Div(id=f"{name}-part", style={"minHeight": "120px"}), type="dot"),
        ]
    )


def add_view(app: Dash, store: CachedStore, view: View) -> None:
    """Let the application answer what a page asks for."""
    for name, draw in view.later.items():
        _draw_later(app, store, name, draw)
    view.register(app, store)


def _draw_later(app: Dash, store: CachedStore, name: str, draw: Draw) -> None:
    @app.callback(Output(f"{name}-part", "children"), Input(f"{name}-address", "data"))
    def fill(text: str | None) -> Any:  # noqa: ANN401
        path, _, query = (text or "").partition("?")
        address = read_address(path, query)
        if address is None:
            return None
        try:
            return draw(store, address)
        except Exception as error:  # else the browser shows what was there
            return told(error)
