"""The page on a port of this machine."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.app import create_app
from voxsiam_dashboards.browser.cached_store import Source

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests: what is wrong is told on the page, or to who asked."""

    def make_environ(self) -> "WSGIEnvironment":
        """Refuse an address that cannot be taken apart."""
        try:
            return super().make_environ()
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            raise ConnectionAbortedError from None

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def serve(source: Source, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        source: What it shows.
        host: A loopback address.
        port: A free port of it.
        ready: Told the page's address once it answers.

    Raises:
        UserError: The port is taken.
    """
    shown = f"[{host}]" if ":" in host else host
    names = tuple(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    try:
        server = make_server(
            host, port, create_app(source, names).server, threaded=True, request_handler=_Quiet
        )
    except (OSError, SystemExit) as error:
        raise UserError(
            f"port {port} is taken", where="--port", fix=f"choose another: --port {port + 1}"
        ) from error
    ready(f"http://{shown}:{port}")
    try:
        server.serve_forever()
    finally:
        server.server_close()
