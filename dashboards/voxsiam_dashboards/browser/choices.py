"""What a reader may choose on a page: every choice goes into the address, so it can be sent on."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address, read_address

_SEARCHED = 8
"""A longer list can be searched."""


def choice(
    name: str, label: str, options: Mapping[str, str], chosen: str, part: str = ""
) -> Component:
    """Let a reader choose one value.

    Args:
        options: Their texts by their values.
        part: Tells two fields apart that choose the same name.
    """
    if chosen not in options:
        options = {**options, chosen: f"{chosen} (not there)" if chosen else ""}
    # What was chosen is part of the id: a field that has just been drawn is no new choice.
    field = {"choice": name, "part": part, "was": mark(chosen)}
    return html.Label(
        [
            label,
            dcc.Dropdown(
                id=field,
                options=[{"label": text, "value": value} for value, text in options.items()],
                value=chosen,
                clearable=False,
                searchable=len(options) > _SEARCHED,
            ),
        ],
        className="wide",
    )


def choices(*fields: Component) -> Component:
    """Put fields beside each other."""
    return html.Div(fields, className="choices")


def add_choices(app: Dash) -> None:
    """Write what is chosen into the address; the page follows it."""

    @app.callback(
        Output("address", "search"),
        Input({"choice": ALL, "part": ALL, "was": ALL}, "value"),
        State("address", "pathname"),
        State("address", "search"),
        prevent_initial_call=True,
    )
    def choose(_: Sequence[str], path: str | None, query: str | None) -> Any:  # noqa: ANN401
        address = read_address(path, query)
        # Of the fields that called.
        ids = ctx.triggered_prop_ids
        called = [each for each in ctx.triggered if each["prop_id"] in ids]
        chosen = changed((ids[each["prop_id"]], each["value"]) for each in called)
        if address is None or not chosen:
            return no_update
        return query_of(address, chosen)


def changed(fields: Iterable[tuple[Mapping[str, str], str | None]]) -> dict[str, str]:
    """Name what differs from what was chosen before, by the ids and values of fields.

    A field without a value was emptied by the browser, not by a reader.
    """
    return {
        field["choice"]: value
        for field, value in fields
        if value is not None and mark(value) != field["was"]
    }


def mark(value: str) -> str:
    """Shorten a value to letters and digits: readers for the blind break an id at its spaces."""
    return sha256(value.encode(errors="replace")).hexdigest()[:12]


def query_of(address: Address, chosen: Mapping[str, str]) -> str:
    """Return the query of the same page with something else chosen."""
    there = Address(address.subject, address.run_id, address.view, {**address.chosen, **chosen})
    _, mark, query = str(there).partition("?")
    return mark + query
