"""What a page is to the application: its content and its tables, both from an address alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dash import Dash
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.tables.text_table import TextTable

Content = Component | str | Sequence["Component | str | None"]


def no_tables(store: CachedStore, address: Address) -> Sequence[TextTable]:  # noqa: ARG001
    """Return no table."""
    return ()


def nothing(store: CachedStore, address: Address) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class View:
    """A page.

    Attributes:
        name: Its part of the address.
        title: What its tab says.
        content: What it shows at once.
        tables: What can be downloaded from it, in the order in which the content shows them.
        live: The part of it that changes while a study runs; drawn anew every few seconds.
        register: Adds the page's own callbacks.
    """

    name: str
    title: str
    content: Callable[[CachedStore, Address], Content]
    tables: Callable[[CachedStore, Address], Sequence[TextTable]] = no_tables
    live: Callable[[CachedStore, Address], Component | None] = nothing
    register: Callable[[Dash, CachedStore], None] = lambda _app, _store: None
