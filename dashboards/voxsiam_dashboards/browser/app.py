"""The application: one page with an address for each view, on this machine's loopback alone."""

import logging
from html import escape
from http import HTTPStatus
from typing import Any, cast

import flask
from dash import Dash, Input, Output, State, dcc, html, no_update
from werkzeug.exceptions import HTTPException

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.choices import add_choices
from voxsiam_dashboards.browser.downloads import add_downloads, add_volumes
from voxsiam_dashboards.browser.routes import (
    REFUSED,
    SUBJECTS,
    draw_live,
    draw_page,
    is_outdated,
    live_state,
    plain_path,
    view_of,
)
from voxsiam_dashboards.browser.view import add_view
from voxsiam_dashboards.reports.page import page_part

log = logging.getLogger(__name__)

TICK_MS = 3000


def create_app(store: CachedStore, hosts: tuple[str, ...]) -> Dash:
    """Build the application.

    Args:
        hosts: Names by which it may be addressed, with the port: a page of another name that
            leads here (DNS rebinding) is refused.
    """
    app = Dash(
        __name__,
        title="VoxSiam",
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        # Parts of viewer.mjs, which loads them itself.
        assets_path_ignore=["viewer"],
        external_stylesheets=["/style.css"],
        external_scripts=["/turn.js"],
    )
    # It would ask another host whether there is a newer Dash.
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    app.layout = html.Div(
        [
            # A choice changes the address; the page follows without being loaded anew.
            dcc.Location(id="address", refresh="callback-nav"),
            dcc.Interval(id="tick", interval=TICK_MS),
            html.Header(html.Nav(id="tabs")),
            html.Main(
                [html.Div(id="live"), html.Div("Reading the tracking store ...", id="content")]
            ),
            *(dcc.Store(id=name) for name in ("drawn", "seen", "again")),
        ]
    )
    _add_callbacks(app, store)
    add_choices(app)
    for view in (view for views in SUBJECTS.values() for view in views.values()):
        add_view(app, store, view)
    # What the reports have, too.
    _add_text(app.server, "style.css", page_part("style.css"), "text/css")
    _add_text(app.server, "turn.js", page_part("turn.js"), "text/javascript")
    add_downloads(app.server, lambda address: view_of(address).tables(store, address))
    add_volumes(app.server, store)
    _add_refusals(app.server)
    _lock(app, hosts)
    _add_names(app.server, store)
    return app


def _add_callbacks(app: Dash, store: CachedStore) -> None:
    """Draw the page of an address, and anew what changes while it is read."""
    page = State("address", "pathname"), State("address", "search"), State("drawn", "data")

    @app.callback(
        Output("content", "children"),
        Output("tabs", "children"),
        Output("drawn", "data"),
        Output("live", "children"),
        Input("address", "pathname"),
        Input("address", "search"),
        Input("again", "data"),
    )
    def show(path: str | None, query: str | None, _: int | None) -> tuple[Any, Any, str, Any]:
        content, tabs, mark = draw_page(store, path, query)
        live = None if mark == REFUSED else draw_live(store, path, query)
        return content, tabs, mark, live

    @app.callback(
        Output("live", "children", allow_duplicate=True),
        Output("seen", "data"),
        Input("tick", "n_intervals"),
        *page,
        State("seen", "data"),
        prevent_initial_call=True,
    )
    def refresh(
        _: int, path: str | None, query: str | None, mark: str | None, seen: str | None
    ) -> tuple[Any, Any]:
        state = live_state(store, path, query)
        if mark == REFUSED or (state and state == seen):
            return no_update, no_update
        return draw_live(store, path, query), state

    @app.callback(
        Output("again", "data"), Input("tick", "n_intervals"), *page, prevent_initial_call=True
    )
    def look(ticks: int, path: str | None, query: str | None, mark: str | None) -> Any:  # noqa: ANN401
        """Let the page be drawn again where that would show something else."""
        outdated = mark is not None and is_outdated(store, path, query, mark)
        return ticks if outdated else no_update


def _add_text(server: flask.Flask, name: str, text: str, kind: str) -> None:
    server.add_url_rule(f"/{name}", name, lambda: flask.Response(text, mimetype=kind))


def _add_names(server: flask.Flask, store: CachedStore) -> None:
    """Lead from /study/table3, and from an id, to the address that all else goes by."""

    @server.before_request
    def lead() -> flask.Response | None:
        asked = flask.request.path
        try:
            plain = plain_path(store, asked)
        except UserError:
            return None  # the page says it
        if plain == asked:
            return None
        query = flask.request.query_string.decode(errors="replace")
        there = flask.redirect(f"{plain}?{query}" if query else plain)
        return cast("flask.Response", there)


def _add_refusals(server: flask.Flask) -> None:
    """Answer 400 where what was asked cannot be taken apart, and 500 where a page is at fault.

    What pages themselves raise is told on them. All else that fails in an answer to the page's own
    scripts was not sent by them: they know what they ask for. No traceback stands on the terminal.
    """

    @server.errorhandler(Exception)
    def refuse(error: Exception) -> flask.Response | HTTPException:
        if isinstance(error, HTTPException):
            return error
        log.debug("%s", flask.request.path, exc_info=error)
        text, status = "this request makes no sense", HTTPStatus.BAD_REQUEST
        if flask.request.method != "POST" and not flask.request.path.startswith("/_dash-"):
            log.error("%s: %s: %.200s", flask.request.path, type(error).__name__, error)
            text, status = "this cannot be shown", HTTPStatus.INTERNAL_SERVER_ERROR
        return flask.Response(f"{text}\n", status, mimetype="text/plain")


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
