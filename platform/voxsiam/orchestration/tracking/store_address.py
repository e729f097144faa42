"""What MLFLOW_TRACKING_URI may name: looked at before anything is started."""

import socket
from urllib.parse import urlsplit

from voxsiam.errors import UserError

_KINDS = ("http", "https", "postgresql", "postgresql+psycopg")
_MEND = (
    "unset it (a workspace has a store of its own), or name http://HOST:5000, "
    "postgresql://USER@HOST/DATABASE or sqlite:////FOLDER/mlflow.db"
)


def check_address(tracking_uri: str) -> None:
    """Refuse an address that can lead to no store: later it would look like a server that is away.

    A server that does not answer is no reason: trainings wait for none.

    Raises:
        UserError: It is a folder, or of no kind that is known, or its host has no address.
    """
    parts = urlsplit(tracking_uri)
    if parts.scheme == "sqlite":
        return
    where = f"MLFLOW_TRACKING_URI={_shown(tracking_uri)}"
    if parts.scheme in ("", "file"):
        raise UserError(
            "the tracking address is a folder, which MLflow no longer takes for a store",
            where=where,
            fix=_MEND,
        )
    if parts.scheme not in _KINDS or not parts.hostname:
        raise UserError(
            "the tracking address is none of a store that is known",
            where=where,
            fix=_MEND,
        )
    _require_host(parts.hostname, where)


def _require_host(host: str, where: str) -> None:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name"
        raise UserError(
            f"the host '{host}' of the tracking address is not known ({why})",
            where=where,
            fix="look for a typing error, or at this machine's network; unset it to use the "
            "workspace's own store",
        ) from None


def _shown(uri: str) -> str:
    """Leave out a name and password."""
    scheme, found, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if found else uri
