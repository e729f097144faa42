"""The program `voxsiam`: verbs under nouns.

Exit codes: 0 ok, 1 failed, 2 bad input, 130 stopped (143 by SIGTERM, or a terminal that is closed).
"""

import errno
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from voxsiam.errors import UserError, is_stop
from voxsiam_cli import dashboard, doctor, tracking, workspace
from voxsiam_cli.cluster import jobs, submit
from voxsiam_cli.console import errors, show_error
from voxsiam_cli.data import commands as data
from voxsiam_cli.model import evaluate, models, predict
from voxsiam_cli.study import commands as study
from voxsiam_cli.sweep import commands as sweep

STOPPED, TERMINATED = 130, 143
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STILL_CLOSING = b"closing what runs; Ctrl-C once more ends at once and leaves it as it is\n"
ENOUGH = 2
_seen: list[int] = []
_terminals: list[int] = []
"""Streams of this process; of one that is closed it cannot be told any more."""


app = typer.Typer(
    name="voxsiam",
    help="Voxel-level Siamese representation learning for abdominal CT segmentation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")
app.add_typer(sweep.app, name="sweep")
app.add_typer(jobs.app, name="jobs")
app.add_typer(tracking.app, name="tracking")
app.add_typer(workspace.app, name="workspace")
app.command()(dashboard.dashboard)
app.command()(study.demo)
app.command()(doctor.doctor)
app.command()(models.models)
app.command()(predict.predict)
app.command()(evaluate.evaluate)
app.command()(study.train)
app.command()(submit.submit)
app.command()(tracking.ui)


@app.callback()
def options(debug: bool = typer.Option(False, help="Show tracebacks.")) -> None:
    """Start with: voxsiam demo."""
    del debug


def main() -> NoReturn:
    """Run the program and turn every outcome into its exit code."""
    _terminals[:] = [stream for stream in range(3) if os.isatty(stream)]
    for number in STOPS:
        # What whoever began it wants to be deaf to (nohup, a shell's background) stays so.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    code = _run(debug="--debug" in sys.argv)
    by_terminal = _seen[:1] in ([], [signal.SIGINT])
    sys.exit(code if code != STOPPED or by_terminal else TERMINATED)


def _run(*, debug: bool) -> int:
    try:
        return app(standalone_mode=False) or 0
    except UserError as error:
        show_error(error)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return STOPPED
    except Exception as error:
        if is_stop(error):
            return STOPPED
        if debug and not hasattr(error, "format_message"):
            raise
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return _show_no_room(error)
        return _show_unexpected(error)


def _show_no_room(error: OSError) -> int:
    where = error.filename or _fullest_disk()
    fix = "make room, then give the same command again: what is finished is kept"
    show_error(UserError(f"there is no room to write ({error.strerror})", where=where, fix=fix))
    return 1


def _fullest_disk() -> str:
    """Name the place with the least room among those that a command writes to."""
    rooms: list[tuple[int, str]] = []
    for place in (Path.cwd(), Path(tempfile.gettempdir()), *map(Path, sys.argv[1:])):
        for folder in (place.absolute(), *place.absolute().parents):
            with suppress(OSError, ValueError):
                rooms.append((shutil.disk_usage(folder).free, str(folder)))
                break  # what is not there yet will lie on the disk of the first folder that is
    free, folder = min(rooms)
    return f"{folder} ({free / 1e6:.1f} MB free)"


def _show_unexpected(error: Exception) -> int:
    """Print what the command line itself refuses as bad input, all else as a failure."""
    message = getattr(error, "format_message", None)
    if message is not None:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "voxsiam"
        if not message():
            # Called without a command: the help has been printed.
            return 2
        what, _, hint = message().partition(" Did you mean ")
        fix = f"did you mean {hint}" if hint else f"see: {command} --help"
        show_error(UserError(what, where=command, fix=fix))
        return 2
    errors.print(f"failed: {type(error).__name__}: {error}", style="bold red", markup=False)
    errors.print("  run again with --debug before the command for the traceback", markup=False)
    return 1


def _stop(number: int, frame: FrameType | None) -> None:
    """Take every stop like Ctrl-C, which every library knows; only the exit code differs.

    One is enough: what runs is closed then, and that is not cut short. A third Ctrl-C ends it.
    """
    del frame
    _seen.append(number)
    if number == signal.SIGHUP:
        _leave_terminal()
    if len(_seen) == 1:
        raise KeyboardInterrupt
    if number == signal.SIGINT:
        if _seen.count(signal.SIGINT) > ENOUGH:
            os._exit(STOPPED)
        os.write(2, STILL_CLOSING)


def _leave_terminal() -> None:
    """Write to nowhere: the terminal is gone, and whatever is said to it would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in _terminals:
        os.dup2(nowhere, stream)
