"""voxsiam submit: the same commands, as jobs on a Ray cluster."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from voxsiam_cli.cluster.jobs import DEFAULT_ADDRESS, Address, follow_job
from voxsiam_cli.cluster.remote_command import read_command
from voxsiam_cli.console import say
from voxsiam_cli.options import Owner

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def submit(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(help="What follows voxsiam, after two dashes.")],
    address: Address = DEFAULT_ADDRESS,
    python: Annotated[
        str | None,
        typer.Option(help="Interpreter on the head: this one on loopback, python elsewhere."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is sent.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Run it although it has finished before.")
    ] = False,
    _owner: Owner = None,
) -> None:
    """Send a command to a Ray cluster as a job, and show what it prints.

    Code travels, data never: paths must be absolute, on storage that all nodes share. The same
    command again attaches to the job that runs already; after a failure or a stop it goes on
    where that ended. Ctrl-C stops the showing, not the job. Examples:

    voxsiam submit --address http://127.0.0.1:8265 -- study run table3 --preset tiny -w /shared/w

    voxsiam submit --detach -- sweep run lambda --preset mini --trials 20 -w /shared/w

    voxsiam submit -- data prepare /shared/flare22 -o /shared/prepared -w /shared/w
    """
    from voxsiam.orchestration.submission.code_package import pack_code
    from voxsiam.orchestration.submission.jobs import JobCluster, JobRequest

    program = context.find_root().command
    assert isinstance(program, TyperGroup)  # noqa: S101  # for the type checker
    command = read_command(program, words)
    request = JobRequest(
        name=command.name,
        words=command.words,
        python=python or (sys.executable if urlsplit(address).hostname in LOOPBACK else "python"),
        environment=_tracking(),
    )
    cluster = JobCluster(address)
    before = cluster.attempts(command.name)
    if before and before[-1].state == "finished" and not again:
        say(f"{before[-1].job_id} has finished before; --again runs it once more")
        follow_job(cluster, before[-1])
    with TemporaryDirectory() as folder:
        size = pack_code(Path(folder) / "code", command.files)
        job = cluster.submit(request, Path(folder) / "code")
    if before and job.job_id == before[-1].job_id:
        whose = f", sent by {job.owner}" if job.owner else ""
        say(f"{job.job_id} is {job.state} already{whose}: attached to it")
    else:
        say(f"{job.job_id}: sent with {size / 2**20:.1f} MiB of code")
    say(f"logs:  voxsiam jobs logs -f {job.job_id} --address {address}")
    say(f"stop:  voxsiam jobs stop {job.job_id} --address {address}")
    if not detach:
        follow_job(cluster, job)


def _tracking() -> dict[str, str]:
    """Send MLflow's address along, but no password: a job's variables can be read by others."""
    from voxsiam.orchestration.workspace import require_no_secret

    uri = os.environ.get("MLFLOW_TRACKING_URI")
    require_no_secret(uri or "")
    return {"MLFLOW_TRACKING_URI": uri} if uri else {}
