"""Requests that make no sense: answered in a line, without a traceback on the terminal."""

import logging
from http import HTTPStatus

import flask
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)


def add_refusals(server: flask.Flask) -> None:
    """Answer 400 where what was asked cannot be taken apart, and 500 where a page is at fault.

    What pages themselves raise is told on them. All else that fails in an answer to the page's own
    scripts was not sent by them: they know what they ask for.
    """

    @server.errorhandler(Exception)
    def refuse(error: Exception) -> flask.Response | HTTPException:
        if isinstance(error, HTTPException):
            return error
        log.debug("%s", flask.request.path, exc_info=error)
        if flask.request.method == "POST" or flask.request.path.startswith("/_dash-"):
            return _told("this request makes no sense", HTTPStatus.BAD_REQUEST)
        log.error("%s: %s: %.200s", flask.request.path, type(error).__name__, error)
        return _told("this cannot be shown", HTTPStatus.INTERNAL_SERVER_ERROR)


def _told(text: str, status: HTTPStatus) -> flask.Response:
    return flask.Response(f"{text}\n", status, mimetype="text/plain")
