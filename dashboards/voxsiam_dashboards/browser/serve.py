"""The page on a port of this machine."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.utils import redirect

from voxsiam.errors import UserError
from voxsiam.page_token import ASKS, PageToken
from voxsiam_dashboards.browser.app import create_app
from voxsiam_dashboards.browser.cached_store import CachedStore


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests: what is wrong is told on the page, or to who asked."""

    def make_environ(self) -> WSGIEnvironment:
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


def serve(store: CachedStore, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C, to who opens the link that it is ready with.

    A UserError tells that the port is taken.

    Args:
        host: A loopback address.
        ready: Told the page's link once it answers; whoever has it is let in.
    """
    token = PageToken.new(port)
    shown = f"[{host}]" if ":" in host else host
    names = tuple(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    try:
        page = token_door(create_app(store, names).server, token)
        server = make_server(host, port, page, threaded=True, request_handler=_Quiet)
    except (OSError, SystemExit) as error:
        raise UserError(
            f"port {port} is taken", where="--port", fix=f"choose another: --port {port + 1}"
        ) from error
    ready(token.link(f"http://{shown}:{port}"))
    try:
        server.serve_forever()
    finally:
        server.server_close()


def token_door(page: WSGIApplication, token: PageToken) -> WSGIApplication:
    """Let in who has shown the token; a link that holds it is kept by the browser as a cookie."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        asked = Request(environ)
        if token.admits(asked.cookies, asked.headers.get("Authorization", "")):
            return page(environ, start)
        if token.is_it(asked.args.get("token", "")):
            away: Response = redirect(asked.path, 303)
            away.headers["Set-Cookie"] = token.set_cookie
            return away(environ, start)
        return Response(ASKS.format(command="voxsiam dashboard"), 403)(environ, start)

    return answer
