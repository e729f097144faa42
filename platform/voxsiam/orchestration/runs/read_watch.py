"""Reads of cases that are told when they take long, and that end a process which waits for ever.

A read from a mount that is gone never returns. Among several ranks the others' patience ends it; a
training in one process waits alone.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from voxsiam.orchestration.runs.execute import CaseSource
from voxsiam.orchestration.runs.heartbeat import repeating
from voxsiam.training.batch import OrderedLoader
from voxsiam.types import NativeReference, Volume

SLOW_S = 10.0
LOOK_EVERY_S = 1.0


def end_this_process() -> None:
    """End it as the kernel would: a thread that waits for a disk hears nothing else."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class _Read:
    case_id: str
    began: float
    told: bool = False


class ReadWatch:
    """A source of cases that knows what is being read now, and since when.

    Args:
        tell: Told in a sentence of each read that takes long.
        longest_s: After which a read ends the process.
    """

    def __init__(
        self,
        cases: CaseSource,
        tell: Callable[[str], None],
        longest_s: float,
        end: Callable[[], None] = end_this_process,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cases, self._tell, self._longest_s = cases, tell, longest_s
        self._end, self._now = end, now
        self._reads: dict[int, _Read] = {}

    def __call__(self, case_id: str) -> Volume:
        """Read a case."""
        with self._reading(case_id):
            return self._cases(case_id)

    def in_order(self, case_ids: Sequence[str]) -> Iterator[Volume]:
        """Read cases one after the other, ahead of the reader where the source can."""
        source = self._cases
        told_order = isinstance(source, OrderedLoader)
        volumes = source.in_order(case_ids) if told_order else map(source, case_ids)
        for case_id in case_ids:
            with self._reading(case_id):
                volume = next(volumes)
            yield volume

    def native(self, case_id: str) -> NativeReference:
        """Read a case's label map on the scan's own grid."""
        with self._reading(case_id):
            return self._cases.native(case_id)

    def watching(self) -> AbstractContextManager[None]:
        """Look once a second, in a thread of its own."""
        return repeating(self.look, LOOK_EVERY_S, "read-watch")

    def look(self) -> None:
        """Tell of reads that take long, once each; end the process for one that lasts too long."""
        for read in list(self._reads.values()):
            lasted = self._now() - read.began
            if lasted >= SLOW_S and not read.told:
                read.told = True
                self._tell(f"case '{read.case_id}' is being read for {lasted:.0f} s by now")
            if lasted >= self._longest_s:
                self._tell(f"case '{read.case_id}' was not read within {lasted:.0f} s: given up")
                self._end()

    @contextmanager
    def _reading(self, case_id: str) -> Iterator[None]:
        reader = threading.get_ident()  # the batches are read by a thread of their own
        self._reads[reader] = _Read(case_id, self._now())
        try:
            yield
        finally:
            del self._reads[reader]
