"""Cases whose readers meet a fault, once, at a given read; every read is written down."""

import os
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from tests.voxsiam.orchestration.toy_study import ToyCases
from tests.voxsiam.training.toy import make_volume
from voxsiam.types import Volume


def be_killed() -> None:
    """End as the kernel ends a process for memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Stop all threads of this process, as a machine that hangs does."""
    os.kill(os.getpid(), signal.SIGSTOP)


def hang() -> None:
    """Read for ever, as from a mount that is gone; the process itself is well."""
    threading.Event().wait()


def have_no_room() -> None:
    """Let every file that this process writes end at 20 kB, as a full disk or a quota does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


class FaultyCases(ToyCases):
    """Toy volumes; the n-th read of a process meets the fault, in one process and once.

    Args:
        folder: Remembers the fault and the reads.
        fault: What happens.
        at_read: Counted in each process, from 1.
        until: Where it is given, all processes meet the fault until this file is there.
    """

    def __init__(
        self, folder: Path, fault: Callable[[], None], at_read: int, until: Path | None = None
    ) -> None:
        self.folder, self.fault, self.at_read, self.until = folder, fault, at_read, until
        self.reads = 0

    @property
    def flag(self) -> Path:
        """Is there when the fault was met."""
        return self.folder / "met"

    def __call__(self, case_id: str) -> Volume:
        self.reads += 1
        with (self.folder / "reads.txt").open("a") as log:
            log.write(f"{os.getpid()} {case_id}\n")
        if self.reads == self.at_read and self._is_met():
            self.fault()
        return make_volume(case_id)

    def _is_met(self) -> bool:
        if self.until is not None:
            return not self.until.exists()
        try:
            self.flag.touch(exist_ok=False)
        except FileExistsError:
            return False
        self.flag.write_text(str(os.getpid()))
        return True

    def all_reads(self) -> list[tuple[str, str]]:
        """Return (process, case) of every read."""
        lines = (self.folder / "reads.txt").read_text().splitlines()
        return [(process, case) for process, case in map(str.split, lines)]
