"""voxsiam ui: MLflow's own pages on this machine."""

from typing import Annotated

import typer

from voxsiam.errors import UserError
from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace


def ui(
    workspace: Workspace = DEFAULT_WORKSPACE,
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 5000,
) -> None:
    """Open the MLflow UI on this machine only; stop it with Ctrl-C.

    For several people or machines: voxsiam tracking serve. Example: voxsiam ui --port 5001
    """
    from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
    from voxsiam.orchestration.tracking.server import TrackingServer
    from voxsiam.orchestration.workspace import Workspace as Folder

    if not workspace.exists():
        raise UserError(
            "there is no workspace yet",
            where=str(workspace),
            fix="run a study first: voxsiam demo",
        )
    folder = Folder(workspace)
    if folder.tracking_uri.startswith(("http:", "https:")):
        say(f"MLflow UI: {folder.tracking_uri} (MLFLOW_TRACKING_URI)")
        return
    if claim_artifacts(folder.tracking_uri):
        say(f"MLflow's database names this place of its artifacts now: {folder.artifacts}")
    server = TrackingServer(folder.tracking_uri, str(folder.artifacts), port=port)
    server.check()
    say(f"MLflow UI: {server.url}   (Ctrl-C ends it)")
    raise typer.Exit(server.run())
