"""A command that shall run elsewhere: checked here, before anything is sent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from voxsiam.errors import UserError, nearest_name
from voxsiam.fingerprint import fingerprint
from voxsiam_cli.options import is_uri

REMOTE = ("study", "sweep", "train", "data")
SENT_ALONG = ("split",)
"""Options that name a small file of the user's: it travels with the code."""


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

    Args:
        program: The whole command line.

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
        _require_shared(name, path)
    request = json.loads(json.dumps(parsed.params, default=str))
    path = parsed.command_path.split()[1:]
    subject = [str(parsed.params[name]) for name in ("name", "recipe") if parsed.params.get(name)]
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
    named = [params[name] for name in SENT_ALONG if isinstance(params.get(name), Path)]
    return tuple(path.resolve() for path in named if path.is_file())


def _sent_name(word: str, files: Sequence[Path]) -> str:
    """Name a file as it is called where the job runs: in its working directory."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return (
        option + equals + (Path(value).name if value and Path(value).resolve() in files else value)
    )


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


def _require_shared(name: str, path: Path) -> None:
    if path.is_absolute():
        return
    raise UserError(
        f"'{path}' is relative: the job would look for it in a folder of its own, deleted after it",
        where=f"--{name}",
        fix=f"give the absolute path on storage that all nodes share: --{name} /shared/{path.name}",
    )
