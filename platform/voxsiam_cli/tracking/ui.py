"""voxsiam ui: MLflow's own pages on this machine."""

from typing import Annotated

import typer

from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace
from voxsiam_cli.tracking.advisories import tell_open_advisories
from voxsiam_cli.workspace.opening import open_workspace


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
