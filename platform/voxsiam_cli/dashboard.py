"""voxsiam dashboard: what a store holds, looked at in a browser."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from voxsiam.errors import UserError
from voxsiam.orchestration.workspace import Workspace as Folder
from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace
from voxsiam_cli.workspace import ledger_readers, open_workspace

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def dashboard(
    workspace: Workspace = DEFAULT_WORKSPACE,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on loopback.")] = 8050,
    host: Annotated[
        str, typer.Option(help="Loopback alone; from elsewhere go through SSH.")
    ] = "127.0.0.1",
    mlflow_ui: Annotated[
        str, typer.Option(help="Where links to runs lead: the address of voxsiam ui.")
    ] = "http://127.0.0.1:5000",
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A prepared set whose cases can be opened; those of the workspace can."),
    ] = None,
) -> None:
    """Open a page over studies and sweeps, running or not; it reads and changes nothing.

    It reads the store of the workspace, or that of MLFLOW_TRACKING_URI. Ctrl-C ends it. Examples:

    voxsiam dashboard

    MLFLOW_TRACKING_URI=http://mlflow.lab:5000 voxsiam dashboard --port 8051 --data prepared/
    """
    from voxsiam_dashboards.browser.cached_store import CachedStore
    from voxsiam_dashboards.browser.serve import serve
    from voxsiam_data.prepared.prepared_set import PreparedSets, open_prepared

    if host not in LOOPBACK:
        raise UserError(
            f"the page would be open to everybody at {host} who sees its link pass, unencrypted",
            where="--host",
            fix=f"leave it out; from elsewhere: ssh -N -L {port}:127.0.0.1:{port} THIS_MACHINE",
        )
    folder = open_workspace(workspace, "look")
    uri = folder.tracking_uri
    served = uri if uri.startswith(("http:", "https:")) else mlflow_ui
    for given in data or ():
        open_prepared(given)  # a wrong one is told now, not when a case is opened
    sets = PreparedSets(lambda: (*(data or ()), *prepared_folders(folder)))
    store = CachedStore(uri, folder.cache / "figures", served.rstrip("/"), sets.find)
    serve(store, host, port, lambda link: say(f"dashboard: {link}   (Ctrl-C ends it)"))


def prepared_folders(folder: Folder) -> Iterator[Path]:
    """Name the prepared sets of a workspace's studies and sweeps; a damaged ledger names none."""
    for read in ledger_readers(folder):
        with suppress(UserError):
            yield read().plan.prepared
