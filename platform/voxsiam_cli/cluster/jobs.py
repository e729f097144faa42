"""voxsiam jobs: what runs on a cluster, its output and its end."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.table import Column
from rich.table import Table as Grid

from voxsiam.errors import UserError
from voxsiam_cli.console import console, print_json, say
from voxsiam_cli.options import AsJson, Owner, Patience

if TYPE_CHECKING:
    from voxsiam.orchestration.submission.jobs import Job, JobCluster

app = typer.Typer(
    help="Jobs on a Ray cluster: list, logs, status, stop; see voxsiam submit.",
    no_args_is_help=True,
)

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS",
        help="The cluster's dashboard, e.g. http://127.0.0.1:8265.",
    ),
]
DEFAULT_ADDRESS = "http://127.0.0.1:8265"
JobId = Annotated[str, typer.Argument(help="See: voxsiam jobs list.")]
POLL_S = 1.0
LAST_LINES = ", last available logs"
"""Ray's message goes on with them; they have been shown."""


@app.command("list")
def list_jobs(address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """List our jobs, the latest first.

    Example: voxsiam jobs list --address http://127.0.0.1:8265
    """
    jobs = _cluster(address).jobs()[::-1]
    if as_json:
        print_json([_plain(job) for job in jobs])
        return
    if not jobs:
        say("no jobs yet: voxsiam submit --help")
        return
    grid = Grid(Column("job", no_wrap=True), "owner", "state", "started", "ended", "command")
    for job in jobs:
        times = _clock(job.started), _clock(job.ended)
        grid.add_row(job.job_id, job.owner, job.state, *times, job.command)
    console.print(grid)


@app.command()
def logs(
    job_id: JobId,
    address: Address = DEFAULT_ADDRESS,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Until it ends; Ctrl-C stops the showing.")
    ] = False,
) -> None:
    """Print what a job has printed.

    Example: voxsiam jobs logs -f study-run-table3-1a2b3c4d
    """
    cluster = _cluster(address)
    job = cluster.find(job_id)
    if follow:
        follow_job(cluster, job)
    print(cluster.log(job_id), end="")  # noqa: T201  # as it was printed there


@app.command()
def status(job_id: JobId, address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """Show the state of one job.

    Example: voxsiam jobs status study-run-table3-1a2b3c4d
    """
    job = _cluster(address).find(job_id)
    if as_json:
        print_json(_plain(job))
        return
    for name, value in _plain(job).items():
        say(f"{name}: {'' if value is None else value}")


@app.command()
def stop(
    job_id: JobId,
    address: Address = DEFAULT_ADDRESS,
    force: Annotated[bool, typer.Option("--force", help="Although it is another's.")] = False,
    _owner: Owner = None,
    _patience: Patience = None,
) -> None:
    """End a job as Ctrl-C would: finished epochs are kept, the same submit goes on.

    Example: voxsiam jobs stop study-run-table3-1a2b3c4d
    """
    cluster = _cluster(address)
    job = cluster.find(job_id)
    _require_own(job, force=force)
    stopped = cluster.stop(job_id)
    if stopped:
        say(f"{job_id} is asked to end ...")
        _wait(cluster, job)
    state = cluster.find(job_id).state
    say(f"{job_id}: {state}" if stopped else f"{job_id} was over already: {state}")
    if cluster.ended_jobs_hold_places():
        _free_places(cluster, job)
    if stopped:
        say(f"go on with: voxsiam submit --address {address} -- {job.command}")


@app.command()
def free() -> None:
    """Free what jobs that have ended still hold in the cluster at RAY_ADDRESS.

    `jobs stop` sends it where it is needed, and every command that joins a cluster does it first.

    Example: RAY_ADDRESS=head:6379 voxsiam jobs free
    """
    from voxsiam.orchestration.cluster.ray_instance import free_places, joins_cluster

    if not joins_cluster():
        raise UserError(
            "no cluster is named", where="RAY_ADDRESS", fix="export RAY_ADDRESS=<head>:6379"
        )
    freed = free_places()
    for places in freed:
        say(f"freed {places.told()}")
    if not freed:
        say("jobs that have ended hold nothing")


def _free_places(cluster: "JobCluster", stopped: "Job") -> None:
    """Have it done in the cluster: only there can it be seen who is gone."""
    from voxsiam.orchestration.submission.code_package import pack_code
    from voxsiam.orchestration.submission.jobs import JobRequest

    request = JobRequest(f"free-after-{stopped.job_id}", ("jobs", "free"), stopped.python)
    with TemporaryDirectory() as folder:
        pack_code(Path(folder) / "code")
        job = cluster.submit(request, Path(folder) / "code")
    _wait(cluster, job)
    print(cluster.log(job.job_id), end="")  # noqa: T201  # as it was printed there


def _require_own(job: "Job", *, force: bool) -> None:
    from voxsiam.orchestration.owner import this_owner

    if force or job.is_over or job.owner in ("", this_owner()):
        return
    raise UserError(
        f"{job.job_id} is {job.owner}'s, and you are {this_owner()}",
        where="voxsiam jobs stop",
        fix="ask them; --force ends it all the same, and finished epochs are kept",
    )


def follow_job(cluster: "JobCluster", job: "Job") -> NoReturn:
    """Show a job's output to its end, and end with its exit code.

    On Ctrl-C the job goes on.
    """
    try:
        for text in cluster.follow(job.job_id):
            print(text, end="", flush=True)  # noqa: T201  # as it was printed there
        job = _wait(cluster, job)
    except KeyboardInterrupt:
        say(f"\nthe job goes on; look again: voxsiam jobs logs -f {job.job_id}", "yellow")
        raise
    say(f"{job.job_id}: {job.state}", "green" if job.state == "finished" else "red")
    if job.state != "finished":
        say(job.message.partition(LAST_LINES)[0])
    raise typer.Exit(0 if job.state == "finished" else job.exit_code or 1)


def _wait(cluster: "JobCluster", job: "Job") -> "Job":
    from voxsiam.orchestration.cluster.waiting import Wait

    # Nobody works on a job that waits for its turn.
    wait = Wait(f"the end of {job.job_id}", lambda: [] if job.state == "waiting" else [job.state])
    while not (job := cluster.find(job.job_id)).is_over:
        wait.look()
        time.sleep(POLL_S)
    return job


def _cluster(address: str) -> "JobCluster":
    from voxsiam.orchestration.submission.jobs import JobCluster

    return JobCluster(address)


def _plain(job: "Job") -> dict[str, str | int | None]:
    return {
        "job": job.job_id,
        "owner": job.owner,
        "state": job.state,
        "started": _clock(job.started),
        "ended": _clock(job.ended),
        "exit_code": job.exit_code,
        "command": job.command,
        "message": job.message,
    }


def _clock(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
