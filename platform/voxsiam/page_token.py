"""The token without which a page of ours answers nobody: it is in the link that is printed.

A port of this machine can be reached by every user of it; the link is seen by its reader alone.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

ASKS = (
    "This page belongs to one user of this machine. Open it by the link that {command} printed.\n"
)
_BEARER = "Bearer "


@dataclass(frozen=True)
class PageToken:
    """A secret of one server, made anew at each start.

    Attributes:
        port: Of the server. Browsers keep cookies by host alone, so their names tell servers apart.
    """

    value: str
    port: int

    @classmethod
    def new(cls, port: int) -> "PageToken":
        """Make one that nobody knows."""
        return cls(secrets.token_urlsafe(32), port)

    @property
    def cookie(self) -> str:
        """Name of the cookie in which a browser keeps it."""
        return f"voxsiam-{self.port}"

    @property
    def set_cookie(self) -> str:
        """What tells a browser to keep it, and to show it to this host alone.

        It is shown when somebody follows a link from another page, as those of reports.
        """
        return f"{self.cookie}={self.value}; Path=/; HttpOnly; SameSite=Lax"

    def link(self, address: str) -> str:
        """Return the address by which a browser is let in."""
        return f"{address}/?token={self.value}"

    def admits(self, cookies: Mapping[str, str], authorization: str) -> bool:
        """Tell whether a request has shown it, as a browser or as a program.

        Args:
            authorization: The header; MLflow's clients send MLFLOW_TRACKING_TOKEN in it.
        """
        shown = (cookies.get(self.cookie, ""), authorization.removeprefix(_BEARER))
        return any(map(self.is_it, shown))

    def is_it(self, text: str) -> bool:
        """Compare in a time that tells nothing."""
        return hmac.compare_digest(text.encode(errors="replace"), self.value.encode())
