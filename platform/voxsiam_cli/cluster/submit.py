"""voxsiam submit: the same commands, as jobs on a Ray cluster, checked before they are sent."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError, nearest_name
from voxsiam.fingerprint import fingerprint
from voxsiam.orchestration.submission.code_package import SENT
from voxsiam_cli.cluster.jobs import DEFAULT_ADDRESS, Address, follow_job
from voxsiam_cli.console import say
from voxsiam_cli.options import Owner, is_uri
from voxsiam_experiments.study_file import ENDING

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REMOTE = ("study", "sweep", "train", "data")
SENT_ALONG = ("split", "labels")
"""Options that name a small file of the user's: it travels with the code."""


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


@dataclass(frozen=True)
class RemoteCommand:
    """A command that has been checked.

    Attributes:
        words: As the cluster shall run it.
        name: Equal requests have equal names, however they are written.
        files: Travel with the code.
    """

    words: tuple[str, ...]
    name: str
    files: tuple[Path, ...]


def read_command(program: TyperGroup, words: Sequence[str]) -> RemoteCommand:
    """Check a command as the program itself would, and that its paths exist elsewhere too.

    Raises:
        UserError: It is none that runs on a cluster, or a path is this machine's own.
    """
    if not words or words[0] not in REMOTE:
        said = words[0] if words else ""
        raise UserError(
            f"'{said}' does not run on a cluster",
            where="voxsiam submit",
            fix=nearest_name(said, REMOTE),
        )
    parsed = _parse(program, words)
    files = _files(parsed.params)
    for name, path in _paths(parsed.params).items():
        if not path.is_absolute():
            raise UserError(
                f"'{path}' is relative: the job would look for it in a folder of its own, deleted "
                "after it",
                where=f"--{name}",
                fix="give the absolute path on storage that all nodes share: "
                f"--{name} /shared/{path.name}",
            )
    request = json.loads(json.dumps(parsed.params, default=str))
    # A file that has changed is another request.
    request["files"] = {file.name: sha256_of(file) for file in files}
    path = parsed.command_path.split()[1:]
    named = (parsed.params.get(name) for name in ("name", "recipe"))
    subject = [Path(str(name)).name.removesuffix(ENDING) for name in named if name]
    return RemoteCommand(
        words=tuple(_sent_name(word, files) for word in words),
        name="-".join([*path, *subject, fingerprint({"command": path, **request})[:8]]),
        files=files,
    )


def _parse(program: TyperGroup, words: Sequence[str]) -> Any:  # noqa: ANN401
    """Let the program read the words and return its context; what it refuses is refused here."""
    group, context, rest = program, program.context_class(program, info_name="voxsiam"), list(words)
    while rest:
        name, *rest = rest
        command = group.get_command(context, name)
        if command is None:
            fix = nearest_name(name, tuple(group.list_commands(context)))
            raise UserError(f"there is no command '{name}'", where=context.command_path, fix=fix)
        if not isinstance(command, TyperGroup):
            return command.make_context(name, rest, parent=context)
        group, context = command, command.context_class(command, parent=context, info_name=name)
    raise UserError(
        "a command is missing", where=context.command_path, fix=f"{context.command_path} --help"
    )


def _files(params: Mapping[str, Any]) -> tuple[Path, ...]:
    """List the small files that a command names; a study may be one, too."""
    named = [params[name] for name in SENT_ALONG if isinstance(params.get(name), Path)]
    study = str(params.get("name", ""))
    named += [Path(study)] if study.endswith(ENDING) else []
    return tuple(path.resolve() for path in named if path.is_file())


def _sent_name(word: str, files: Sequence[Path]) -> str:
    """Name a file as it is called where the job runs: beside the code."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    is_sent = value and Path(value).resolve() in files
    return option + equals + (SENT + Path(value).name if is_sent else value)


def _paths(params: Mapping[str, Any]) -> dict[str, Path]:
    data = params.get("data")
    if data and is_uri(data):
        from voxsiam_data.prepared.remote_set import require_plain

        require_plain(data)
    folders = {"data": Path(data)} if data and not is_uri(data) else {}
    return folders | {
        name: value
        for name, value in params.items()
        if isinstance(value, Path) and not (name in SENT_ALONG and value.is_file())
    }
