"""What each rank said of itself last: where it stands and what memory it holds.

A rank that is frozen or was killed cannot say why; its last heartbeat can.
"""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from voxsiam.orchestration.cluster.capacity import memory_limit
from voxsiam.small_files import read_json_bytes
from voxsiam.types import Frozen

INTERVAL_S = 1.0


class Heartbeat(Frozen):
    """A rank's last words.

    Attributes:
        epoch: In progress, from 1, as the step; 0 before the first step.
        resident: Bytes of memory that the process holds.
        limit: Bytes that all processes of its machine or container may hold.
        at: When it was written, by the clock of the file system: those of the nodes may differ.
    """

    rank: int
    pid: int
    host: str
    epoch: int
    step: int
    resident: int
    limit: int
    at: float = 0.0

    @property
    def place(self) -> str:
        """Where the rank stands, in words."""
        return f"epoch {self.epoch}, step {self.step}" if self.epoch else "before its first step"

    @property
    def memory(self) -> str:
        """What it holds, in words."""
        held, limit = self.resident / 2**30, self.limit / 2**30
        return f"{held:.2f} GiB of memory where {limit:.2f} GiB is the limit"

    def is_gone(self) -> bool:
        """Tell whether the process has ended; only a process of this host can be asked."""
        return self.host == socket.gethostname() and not psutil.pid_exists(self.pid)

    def is_silent(self, now: float) -> bool:
        """Tell whether it has missed several heartbeats, by the clock of the file system."""
        return now - self.at > 5 * INTERVAL_S


class HeartbeatSender:
    """Where a rank stands; sent every second while `beating`."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._file, self._rank = folder / f"{rank}.json", rank
        self._moment = (0, 0)
        self._process, self._limit = psutil.Process(), memory_limit()

    def begin_step(self, epoch: int, step: int) -> None:
        """Hear where this rank stands, counted from 0."""
        self._moment = (epoch + 1, step + 1)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Send heartbeats from a thread of its own."""
        try:
            with repeating(self._send, INTERVAL_S, "heartbeat"):
                yield
        finally:
            self._file.unlink(missing_ok=True)

    def _send(self) -> None:
        epoch, step = self._moment
        heartbeat = Heartbeat(
            rank=self._rank,
            pid=self._process.pid,
            host=socket.gethostname(),
            epoch=epoch,
            step=step,
            resident=self._process.memory_info().rss,
            limit=self._limit,
        )
        temporary = self._file.with_name(f".{self._file.name}-{os.getpid()}")
        with suppress(OSError):  # a full disk is told by the checkpoint
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Without waiting for the disk: only the living read it.
            temporary.write_text(heartbeat.model_dump_json())
            temporary.replace(self._file)


@contextmanager
def repeating(call: Callable[[], None], every_s: float, name: str) -> Iterator[None]:
    """Call a function in a thread of its own, at once and then again and again."""
    over = threading.Event()

    def repeat() -> None:
        call()
        while not over.wait(every_s):
            call()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def read_heartbeats(folder: Path) -> dict[int, Heartbeat]:
    """Read the last heartbeat of every rank."""
    heartbeats: dict[int, Heartbeat] = {}
    for file in folder.glob("*.json"):
        with suppress(OSError, ValueError):
            heartbeat = Heartbeat.model_validate_json(read_json_bytes(file))
            heartbeats[heartbeat.rank] = heartbeat.model_copy(update={"at": file.stat().st_mtime})
    return heartbeats


def file_system_time(folder: Path) -> float:
    """Return what the clock of a folder's file system says now."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:  # no such folder, no room
        return time.time()
