"""voxsiam ui: MLflow's own pages on this machine."""

from typing import Annotated

import typer

from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace
from voxsiam_cli.workspace.opening import open_workspace


def ui(
    workspace: Workspace = DEFAULT_WORKSPACE,
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 5000,
) -> None:
    """Open the MLflow UI on this machine only; stop it with Ctrl-C.

    For several people or machines: voxsiam tracking serve. Example: voxsiam ui --port 5001
    """
    from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
    from voxsiam.orchestration.tracking.server import TrackingServer

    folder = open_workspace(workspace, "change")
    if folder.tracking_uri.startswith(("http:", "https:")):
        say(f"MLflow UI: {folder.tracking_uri} (MLFLOW_TRACKING_URI)")
        return
    if claim_artifacts(folder.tracking_uri):
        say(f"MLflow's database names this place of its artifacts now: {folder.artifacts}")
    server = TrackingServer(folder.tracking_uri, str(folder.artifacts), port=port)
    server.check()
    say(f"MLflow UI: {server.url}   (Ctrl-C ends it)")
    raise typer.Exit(server.run())
