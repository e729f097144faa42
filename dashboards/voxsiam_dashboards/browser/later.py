"""Parts of a page that take longer than a reader waits for the page itself."""

from collections.abc import Callable
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import told

Draw = Callable[[CachedStore, Address], Any]


def later(name: str, address: Address) -> Component:
    """Leave a place for a part; the browser asks for it once the page is there.

    Args:
        name: The one that `draw_later` was given.
    """
    return html.Div(
        [
            dcc.Store(id=f"{name}-address", data=str(address)),
            dcc.Loading(html.Div(id=f"{name}-part", style={"minHeight": "120px"}), type="dot"),
        ]
    )


def draw_later(app: Dash, store: CachedStore, name: str, draw: Draw) -> None:
    """Draw a part when its page asks for it.

    Args:
        store: Handed to `draw`.
        name: Unique in the application.
        draw: Returns the part from the page's address.
    """

    @app.callback(Output(f"{name}-part", "children"), Input(f"{name}-address", "data"))
    def fill(text: str | None) -> Any:  # noqa: ANN401
        path, _, query = (text or "/").partition("?")
        address = read_address(path, query)
        if address is None:
            return None
        try:
            return draw(store, address)
        except Exception as error:  # else the browser shows what was there
            return told(error)
