"""voxsiam tracking and ui: MLflow served, for one person or several, and what it has missed."""

import os
from typing import Annotated

import typer

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger, find_ledgers
from voxsiam.orchestration.sweeps.ledger import SweepLedger, find_sweeps
from voxsiam.orchestration.workspace import Workspace as Folder
from voxsiam.orchestration.workspace import sqlite_address
from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace
from voxsiam_cli.workspace import open_workspace

# 3.18.0 came out a week after it, but not all of its parts (mlflow-skinny): the floor stays 3.17.2.
UNANSWERED = {"CVE-2026-116692": "runs code without a login"}
"""Holes that no version of MLflow answers yet."""

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
    from voxsiam.orchestration.tracking.server import ADMIN, Login, TrackingServer
    from voxsiam.orchestration.tracking.store import has_password, without_password

    if store and has_password(store):
        raise UserError(
            "a password on the command line can be read by every user of this machine",
            where=f"--store {without_password(store)}",
            fix="leave it out and set PGPASSWORD or ~/.pgpass, or give the whole address as "
            "MLFLOW_BACKEND_STORE_URI",
        )
    home = Folder(workspace).tracking
    given = store or os.environ.get("MLFLOW_BACKEND_STORE_URI")
    server = TrackingServer(
        store=given or sqlite_address(home / "mlflow.db"),
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
        say(
            "passwords and figures travel unencrypted: put TLS in front of it, or use a tunnel",
            "yellow",
        )
        tell_open_advisories()
    raise typer.Exit(server.run(environment))


@app.command()
def replay(workspace: Workspace = DEFAULT_WORKSPACE) -> None:
    """Write what the tracking server has missed while it was away, into the same runs.

    Nothing is trained and no Ray is started. Example: voxsiam tracking replay
    """
    raise typer.Exit(1 if replay_all(open_workspace(workspace, "change")) else 0)


def ui(
    workspace: Workspace = DEFAULT_WORKSPACE,
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 5000,
) -> None:
    """Open the MLflow UI on this machine only, by the link that is printed; Ctrl-C ends it.

    For several people or machines: voxsiam tracking serve. Example: voxsiam ui --port 5001
    """
    from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
    from voxsiam.orchestration.tracking.server import TrackingServer
    from voxsiam.page_token import PageToken

    folder = open_workspace(workspace, "change")
    if folder.tracking_uri.startswith(("http:", "https:")):
        say(f"MLflow UI: {folder.tracking_uri} (MLFLOW_TRACKING_URI)")
        return
    if claim_artifacts(folder.tracking_uri):
        say(f"MLflow's database names this place of its artifacts now: {folder.artifacts}")
    token = PageToken.new(port)
    server = TrackingServer(folder.tracking_uri, str(folder.artifacts), port=port, token=token)
    server.check()
    say(f"MLflow UI: {token.link(server.url)}")
    say("for you alone: the link holds a token, of this start. Ctrl-C ends it.")
    tell_open_advisories()
    raise typer.Exit(server.run())


def tell_open_advisories() -> None:
    """Name the holes that no version of MLflow answers yet, and say what to do."""
    for name, what in UNANSWERED.items():
        say(f"{name} ({what}): no MLflow is known to answer it;", "yellow")
        say("let nobody reach this port whom you do not trust (docs/tracking.md)", "yellow")


def replay_all(workspace: Folder) -> int:
    """Tell MLflow what studies and sweeps of a workspace could not; count what still waits."""
    ledgers = [*find_ledgers(workspace), *find_sweeps(workspace)]
    left = sum(_replay(workspace, ledger) for ledger in ledgers)
    say("MLflow has been told everything." if not left else f"{left} events still wait.")
    return left


def _replay(workspace: Folder, ledger: Ledger | SweepLedger) -> int:
    from voxsiam.orchestration.tracking.outbox import outbox_of
    from voxsiam.orchestration.tracking.parent_run import parent_of_study, parent_of_sweep
    from voxsiam.orchestration.tracking.study_tracker import StudyTracker

    if isinstance(ledger, Ledger):
        parent_run = parent_of_study(ledger.plan, ledger.commit)
    else:
        parent_run = parent_of_sweep(ledger.plan)
    waiting = len(outbox_of(workspace, parent_run))
    if not waiting:
        return 0
    with ledger.held():
        left = StudyTracker(workspace, parent_run, reopen=False).waiting
    say(f"{parent_run.request_id}: {waiting - left} of {waiting} events written")
    return left
