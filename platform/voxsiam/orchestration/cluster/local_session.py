"""The Ray session that a command starts for itself: closed to others, and none left running.

A command that was killed leaves its Ray behind, and two on one host hang each other. So each notes
its session in the workspace, and the next one ends what is left of it.
"""

import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import psutil
from ray._common.utils import get_default_ray_temp_dir

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.lock import held_alone
from voxsiam.orchestration.workspace import Workspace
from voxsiam.small_files import read_json
from voxsiam.types import Frozen

log = logging.getLogger(__name__)

_NAME = re.compile(r"session_[0-9-]+_[0-9-]+_[0-9]+_[0-9]+")
_MOST_BYTES = 107 if sys.platform == "linux" else 103
_LONGEST_SOCKET = "session_2026-11-28_20-25-34_123456_{pid}/sockets/plasma_store"
"""Below Ray's folder; the name of a socket has so many bytes at most."""

ATTEMPTS = 9
_OTHER_PLACE = "name a short folder that can be written for Ray alone: export RAY_TMPDIR=/tmp"
_PARTS_OF_RAY = {"core", "dashboard", "_private", "autoscaler"}
"""Of its package, that hold programs."""


class _Session(Frozen):
    """What a workspace keeps of the Ray that runs in it."""

    folder: str
    pid: int
    started: float
    """Its driver, by number and time: the number may belong to another process by now."""

    @property
    def lives(self) -> bool:
        """Whether its driver does."""
        try:
            return psutil.Process(self.pid).create_time() == self.started
        except (psutil.Error, ValueError, OverflowError):
            return False


@contextmanager
def one_session(workspace: Workspace) -> Iterator[None]:
    """Hold the workspace for one local Ray, and end what a killed command has left running.

    Raises:
        UserError: Another command has a Ray in this workspace now.
    """
    workspace.ray.mkdir(exist_ok=True)
    refusal = UserError(
        "another command is using this workspace now",
        where=str(workspace.root),
        fix="wait for it (voxsiam study status), or use another --workspace",
    )
    with held_alone(workspace.ray / "lock", refusal):
        noted = _noted(workspace)
        if noted is not None:
            # Some network file systems let several hold a lock.
            if noted.lives:
                raise refusal
            _end_leftovers(noted)
        try:
            yield
        finally:
            with suppress(OSError):
                _record(workspace).unlink()


def note_session(workspace: Workspace, folder: Path) -> None:
    """Note the folder of the session that this process has started."""
    driver = psutil.Process()
    session = _Session(folder=str(folder), pid=driver.pid, started=driver.create_time())
    write_json(_record(workspace), session.model_dump())


def ray_folder() -> Path:
    """Return where the Rays of this user keep their sessions; nobody else can enter it.

    Ray opens the folders of its sessions, and the one they lie in, to every user of the machine,
    again and again; so the one above is closed. Where its name is taken by somebody else, the next
    is tried: to another one inside of a user namespace this user has the same number.

    Raises:
        UserError: It has too long a name, cannot be written, or all names are taken.
    """
    for attempt in range(1, ATTEMPTS + 1):
        folder = _short_folder(attempt)
        closed = folder.parent
        try:
            closed.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                closed.mkdir(mode=0o700)
        except OSError as error:
            what = "the folder for temporary files cannot be written, which Ray needs"
            told = f"{what} ({error.strerror})"
            raise UserError(told, where=_setting(), fix=_OTHER_PLACE) from None
        if _is_closed(closed):
            return folder
    raise UserError(
        "the folder in which this user's Ray would keep its session is somebody else's",
        where=str(_short_folder().parent),
        fix="name a folder that only you can write: export RAY_TMPDIR=FOLDER",
    )


def _short_folder(attempt: int = 1) -> Path:
    """Name the folder of this user's Rays; refuse one in which sockets have too long a name."""
    usual = Path(get_default_ray_temp_dir())
    again = "" if attempt == 1 else f"-{attempt}"
    folder = usual.parent / f"voxsiam-{os.geteuid()}{again}" / usual.name
    longest = len(os.fsencode(f"{folder}/{_LONGEST_SOCKET.format(pid=os.getpid())}"))
    if longest > _MOST_BYTES:
        most = len(os.fsencode(str(usual.parent))) - (longest - _MOST_BYTES)
        raise UserError(
            "the folder for temporary files has too long a name: Ray's sockets lie below it "
            f"(at most {most} characters)",
            where=_setting(),
            fix=_OTHER_PLACE,
        )
    return folder


def _setting() -> str:
    """Return the variable that names the folder for temporary files, with its value."""
    name = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), "RAY_TMPDIR")
    return f"{name}={Path(get_default_ray_temp_dir()).parent}"


def _is_closed(folder: Path) -> bool:
    """Close a folder of this user to everybody else; tell whether it is one."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return False
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)
    return True


def _record(workspace: Workspace) -> Path:
    return workspace.ray / "session.json"


def _noted(workspace: Workspace) -> _Session | None:
    """Read the workspace's note; what is none is said and left aside: the next one replaces it."""
    file = _record(workspace)
    try:
        session = _Session.model_validate(read_json(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        log.warning("%s is no note of a session of Ray: ignored", file)
        return None
    folder = Path(session.folder)
    if folder.parent != ray_folder() or not _NAME.fullmatch(folder.name):
        log.warning("%s names no session of this user's Ray: ignored", file)
        return None
    return session


def _end_leftovers(session: _Session) -> None:
    """Kill Ray's processes of a session whose driver is gone."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # gone meanwhile, or not ours to look at
            if _is_left_of(process, session):
                process.kill()


def _is_left_of(process: psutil.Process, session: _Session) -> bool:
    """Tell whether a process is one of Ray's own programs, of this user and this session."""
    words = process.cmdline()
    return (
        process.uids().effective == os.geteuid()
        and process.create_time() >= session.started
        and any(_is_program_of_ray(word) for word in words[:3])
        and any(Path(word.rpartition("=")[2]).is_relative_to(session.folder) for word in words)
    )


def _is_program_of_ray(word: str) -> bool:
    """Tell whether a word of a command line is a program, or a script, of Ray's package."""
    return any(a == "ray" and b in _PARTS_OF_RAY for a, b in pairwise(Path(word).parts))
