"""Who may talk to a Ray that we start: this machine, with a token that only its owner can read."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from voxsiam.durable_files import temporary_beside
from voxsiam.errors import UserError

OUTSIDE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's own variable: at 1 a Ray may form a cluster, and listens on all interfaces."""

_FIRST_CALL, _ANSWER_WITHIN_S = "/ray.rpc.NodeInfoGcsService/GetClusterId", 10.0
"""With it a client of Ray begins."""


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let a Ray that is started here listen on 127.0.0.1 alone.

    On Linux it takes the machine's outside address for its own, even where 127.0.0.1 is given,
    and every port of it is then open to other hosts. Where Ray can form no cluster, as on macOS,
    its address is 127.0.0.1, and all its processes bind that.

    Raises:
        UserError: OUTSIDE is asked for, but without Ray's token.
    """
    from ray._private import ray_constants

    usual = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = os.environ.get(OUTSIDE) == "1"
    asks_for_token = os.environ.get("RAY_AUTH_MODE", "token").lower() == "token"
    if ray_constants.ENABLE_RAY_CLUSTER and not asks_for_token:
        raise UserError(
            "Ray would listen on all interfaces without a token: anyone could run programs here",
            where=f"{OUTSIDE}, RAY_AUTH_MODE",
            fix="unset one of the two variables",
        )
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = usual


def token_file() -> Path:
    """Where Ray looks for its token on this machine.

    Raises:
        UserError: Nothing says where this user's home is.
    """
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        return Path(named) if named else Path.home() / ".ray" / "auth_token"
    except RuntimeError:
        raise UserError(
            "this user has no home folder, where Ray keeps its token",
            where="HOME",
            fix="set HOME to a folder that only you can read: export HOME=FOLDER",
        ) from None


def unknown_token(where: str) -> UserError:
    """Say that a cluster turns this user away."""
    return UserError(
        "the cluster does not know our token",
        where=where,
        fix="bring the head's token: RAY_AUTH_TOKEN_PATH=FILE, or ~/.ray/auth_token",
    )


def require_known_token(address: str) -> None:
    """Refuse a cluster that turns our token away; Ray would try for 20 s and call it unreachable.

    Args:
        address: Of its GCS; what else keeps it from answering Ray says itself.

    Raises:
        UserError: It wants another token than ours, or has one and we have none.
    """
    import grpc
    from ray._private.gcs_utils import create_gcs_channel
    from ray.exceptions import AuthenticationError

    where = f"RAY_ADDRESS={address}"
    try:
        channels: Any = create_gcs_channel(address)
        with channels as channel:
            channel.unary_unary(_FIRST_CALL)(b"", timeout=_ANSWER_WITHIN_S)
    except AuthenticationError:
        raise unknown_token(where) from None
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:  # pyright: ignore[reportAttributeAccessIssue]
            raise unknown_token(where) from None


def keep_token_private() -> None:
    """Make Ray's token where there is none, and let its owner alone read it.

    Ray's own way leaves it readable for every user of the machine.
    """
    path = token_file()
    if readable_by_others(path):
        path.chmod(0o600)
    if path.exists() or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        return
    whole = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32))
        # Unlike a rename this fails where another command has just made one.
        path.hardlink_to(whole)
    except FileExistsError:
        pass
    except OSError as error:
        raise UserError(
            f"Ray's token cannot be kept ({error.strerror})",
            where=str(path),
            fix="set HOME to a folder that you may write to: export HOME=FOLDER",
        ) from None
    finally:
        with suppress(OSError):
            whole.unlink(missing_ok=True)


def readable_by_others(path: Path) -> bool:
    """Tell whether others can read a file of this user; other users mend their own."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and bool(stat.S_IMODE(found.st_mode) & 0o077)
