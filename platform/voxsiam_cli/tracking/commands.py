"""voxsiam tracking: a tracking server for several people, and what it has missed."""

import os
from typing import Annotated

import typer

from voxsiam.errors import UserError
from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace
from voxsiam_cli.tracking.advisories import tell_open_advisories
from voxsiam_cli.workspace.opening import open_workspace

app = typer.Typer(
    help="A tracking server for several people or nodes, and what it has missed.",
    no_args_is_help=True,
)


@app.command()
def serve(  # noqa: PLR0913
    store: Annotated[
        str | None,
        typer.Option(
            help="postgresql://USER@HOST/DATABASE or sqlite:////FILE; an sqlite file of the "
            "server's own by default. With a password only as MLFLOW_BACKEND_STORE_URI."
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(help="Folder or s3://BUCKET/PREFIX; a folder of the server's by default."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which clients call it; may be given several times."),
    ] = None,
    login: Annotated[bool, typer.Option("--login", help="Ask for name and password.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that answer.", min=1)] = 1,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Run an MLflow server with a store of its own; stop it with Ctrl-C.

    Beyond this machine it starts only with a login and with the names that clients may use.
    A password of the database comes from PGPASSWORD, ~/.pgpass or MLFLOW_BACKEND_STORE_URI, never
    from the command line. Examples:

    voxsiam tracking serve

    voxsiam tracking serve --store postgresql://mlflow@db/mlflow --artifacts s3://bucket/voxsiam

    voxsiam tracking serve --host 0.0.0.0 --allowed-host mlflow.lab --login
    """
    from voxsiam.orchestration.tracking.login import ADMIN, Login
    from voxsiam.orchestration.tracking.server import TrackingServer
    from voxsiam.orchestration.tracking.store import without_password
    from voxsiam.orchestration.workspace import Workspace as Folder

    home = Folder(workspace).tracking
    server = TrackingServer(
        store=_store(store) or f"sqlite:///{home / 'mlflow.db'}",
        artifacts=artifacts or str(home / "artifacts"),
        host=host,
        port=port,
        workers=workers,
        allowed_hosts=tuple(allowed_host or ()),
        login=Login(home) if login else None,
    )
    server.check()
    environment = server.environment()
    say(f"MLflow:    {server.url}   (Ctrl-C ends it)")
    say(f"store:     {without_password(server.store)}")
    say(f"artifacts: {server.artifacts}")
    if server.login and server.login.password_file.exists():
        say(f"login:     {ADMIN}, first password in {server.login.password_file}")
    say(f"clients:   export MLFLOW_TRACKING_URI=http://HOST:{port}")
    if not server.is_loopback:
        _warn()
    raise typer.Exit(server.run(environment))


@app.command()
def replay(workspace: Workspace = DEFAULT_WORKSPACE) -> None:
    """Write what the tracking server has missed while it was away, into the same runs.

    Nothing is trained and no Ray is started. Example: voxsiam tracking replay
    """
    from voxsiam_cli.tracking.replay import replay_all

    waiting = replay_all(open_workspace(workspace, "change"))
    raise typer.Exit(1 if waiting else 0)


def _store(given: str | None) -> str | None:
    from voxsiam.orchestration.tracking.store import has_password, without_password

    if given and has_password(given):
        raise UserError(
            "a password on the command line can be read by every user of this machine",
            where=f"--store {without_password(given)}",
            fix="leave it out and set PGPASSWORD or ~/.pgpass, or give the whole address as "
            "MLFLOW_BACKEND_STORE_URI",
        )
    return given or os.environ.get("MLFLOW_BACKEND_STORE_URI")


def _warn() -> None:
    say(
        "passwords and figures travel unencrypted: put TLS in front of it, or use a tunnel",
        "yellow",
    )
    tell_open_advisories()
