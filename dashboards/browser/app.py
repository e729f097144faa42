"""The application: one page with an address for each view, on this machine's loopback alone."""

from collections.abc import Mapping
from html import escape
from typing import Any

import flask
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboards.browser.address import Address, read_address
from dashboards.browser.choices import add_choices
from dashboards.browser.downloads import add_downloads
from dashboards.browser.pages import (
    cases,
    compare,
    data,
    features,
    labels,
    studies,
    studies_compared,
    study,
    sweep,
)
from dashboards.browser.parts import link, refusal
from dashboards.browser.source import Source
from dashboards.browser.view import View, nothing
from dashboards.browser.volumes import add_volumes
from dashboards.page import page_style
from voxsiam.errors import UserError

TITLE = "VoxSiam"
TICK_MS = 3000

SUBJECTS: Mapping[str, tuple[View, ...]] = {
    "": (studies.VIEW,),
    "study": (
        study.VIEW,
        compare.VIEW,
        labels.VIEW,
        features.VIEW,
        cases.VIEW,
        data.VIEW,
    ),
    "sweep": (sweep.VIEW,),
    "compare": (studies_compared.VIEW,),
}
"""The views of each subject, in the order of their tabs; the first one has no name of its own."""


def create_app(source: Source, hosts: tuple[str, ...]) -> Dash:
    """Build the application.

    Args:
        source: What it shows.
        hosts: Names by which it may be addressed, with the port: a page of another name that
            leads here (DNS rebinding) is refused.
    """
    app = Dash(
        __name__,
        title=TITLE,
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        external_stylesheets=["/style.css"],
    )
    # It would ask another host whether there is a newer Dash.
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    app.layout = html.Div(
        [
            # A choice changes the address; the page follows without being loaded anew.
            dcc.Location(id="address", refresh="callback-nav"),
            dcc.Interval(id="tick", interval=TICK_MS),
            html.Header(html.Nav(id="tabs")),
            html.Main(id="content"),
        ]
    )
    _add_navigation(app, source)
    _add_news(app, source)
    add_choices(app)
    for view in (view for views in SUBJECTS.values() for view in views):
        view.register(app, source)
    app.server.add_url_rule("/style.css", "style", _style)
    add_downloads(app.server, lambda address: _view(address).tables(source, address))
    add_volumes(app.server, source)
    _lock(app, hosts)
    return app


def _add_navigation(app: Dash, source: Source) -> None:
    @app.callback(
        Output("content", "children"),
        Output("tabs", "children"),
        Input("address", "pathname"),
        Input("address", "search"),
    )
    def show(path: str | None, query: str | None) -> tuple[Any, Any]:
        address = read_address(path or "/", query or "")
        try:
            if address is None:
                raise _unknown(path or "/")
            return _content(source, address), _tabs(source, address)
        except UserError as error:
            return refusal(error), _tabs(source, None)


def _add_news(app: Dash, source: Source) -> None:
    """Draw anew what changes while it is read."""

    @app.callback(
        Output("live", "children"),
        Input("tick", "n_intervals"),
        State("address", "pathname"),
        State("address", "search"),
        prevent_initial_call=True,
    )
    def refresh(_: int, path: str | None, query: str | None) -> Any:  # noqa: ANN401
        address = read_address(path or "/", query or "")
        if address is None:
            return no_update
        try:
            return _view(address).live(source, address)
        except UserError as error:
            return refusal(error)

    @app.callback(
        Output("content", "children", allow_duplicate=True),
        Input("tick", "n_intervals"),
        State("ended", "data"),
        State("address", "pathname"),
        State("address", "search"),
        prevent_initial_call=True,
    )
    def draw_again(_: int, ended: int | None, path: str | None, query: str | None) -> Any:  # noqa: ANN401
        """A training has ended: there are new figures everywhere."""
        address = read_address(path or "/", query or "")
        try:
            if address is None or ended is None or _ended(source, address) == ended:
                return no_update
            return _content(source, address)
        except UserError:
            return no_update


def _content(source: Source, address: Address) -> Any:  # noqa: ANN401
    view = _view(address)
    parts: list[Component] = [
        html.Div(view.live(source, address), id="live"),
        html.Div(view.content(source, address)),
    ]
    # There on every page: the callback that reads it is, too.
    changes = view.live is not nothing
    parts.append(dcc.Store(id="ended", data=_ended(source, address) if changes else None))
    return parts


def _ended(source: Source, address: Address) -> int:
    """Count the trainings of a study that have ended."""
    return sum(trial.state != "running" for trial in source.progress(address.run_id))


def _view(address: Address) -> View:
    views = SUBJECTS.get(address.subject, ())
    for number, view in enumerate(views):
        if address.view == ("" if number == 0 else view.name):
            return view
    raise _unknown(str(address))


def _tabs(source: Source, address: Address | None) -> list[Component]:
    across = Address("compare")
    tabs = [
        link("Studies", Address(), chosen=address == Address()),
        link("Across studies", across, chosen=address is not None and address.subject == "compare"),
    ]
    if address is None or not address.run_id:
        return tabs
    name = source.entry(address.run_id).study_id
    tabs.append(html.Span(name, className="subject"))
    for number, view in enumerate(SUBJECTS[address.subject]):
        there = address.at("" if number == 0 else view.name)
        tabs.append(link(view.title, there, chosen=address.view == there.view))
    return tabs


def _style() -> flask.Response:
    """Return the sheet that the reports have, too."""
    return flask.Response(page_style(), mimetype="text/css")


def _unknown(path: str) -> UserError:
    return UserError("there is no such page", where=path, fix="start from the list of studies: /")


def _lock(app: Dash, hosts: tuple[str, ...]) -> None:
    """Answer to our own names alone, and let no page ask another host for anything."""
    # Dash's own script in the page.
    scripts = " ".join(app.csp_hashes())
    policy = (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'; object-src 'none'"
    )

    @app.server.before_request
    def refuse_other_names() -> flask.Response | None:
        origin = flask.request.headers.get("Origin", "")
        foreign = origin and origin.partition("://")[2] not in hosts
        if flask.request.host not in hosts or foreign:
            told = f"this page answers to {', '.join(hosts)} alone, not to {flask.request.host}"
            return flask.Response(escape(told), 403, mimetype="text/plain")
        return None

    @app.server.after_request
    def add_policy(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
