"""voxsiam ui: MLflow's own pages on this machine."""

import os
import subprocess
import sys
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

    Example: voxsiam ui --port 5001
    """
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
    say(f"MLflow UI: http://127.0.0.1:{port}   (Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", folder.tracking_uri, "--workers", "1"]
    command += ["--artifacts-destination", str(folder.artifacts)]
    # MLflow's own switches: without them, it starts eight job processes that nothing here uses,
    # and reports usage to its makers.
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    code = subprocess.run(command, env=environment, check=False).returncode
    raise typer.Exit(code)
