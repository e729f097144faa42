"""A head that is gone: said in three lines, and the command is ended.

A head that comes back is a new cluster, which knows nothing of this command. Ray's own client
meets it with a stack trace of C++ and the end of the process, at once or after a minute.
"""

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from voxsiam.errors import UserError

LOOK_EVERY_S = 0.5
GONE_AFTER_S = 1.0
"""Nobody listens there: its process has ended. A new one takes longer to begin."""

SILENT_AFTER_S = 30.0
"""It does not answer, as when its machine or the network is gone; Ray gives up after 60."""

log = logging.getLogger(__name__)


@contextmanager
def watching_head(address: str) -> Iterator[None]:
    """End this process with exit code 1 where the head of its cluster is gone.

    The main thread may hang in a call to it, and cannot be told. Whatever is written is written so
    that a kill does no harm, and the next command closes the runs.
    """
    over = threading.Event()
    threading.Thread(target=_watch, args=(address, over), name="head-watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(address: str, over: threading.Event) -> None:
    answered = time.monotonic()
    while not over.wait(LOOK_EVERY_S):
        try:
            connect_once(address, SILENT_AFTER_S)
            answered = time.monotonic()
        except OSError as failure:
            refused = isinstance(failure, ConnectionRefusedError)
            if time.monotonic() - answered >= (GONE_AFTER_S if refused else SILENT_AFTER_S):
                _end(address, failure)


def connect_once(address: str, within_s: float) -> None:
    """Connect to HOST:PORT and hang up.

    Raises:
        OSError: Nothing takes the connection.
        OverflowError: The port has no such number.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), within_s).close()


def _end(address: str, failure: OSError) -> None:
    told = UserError(
        f"the head of the cluster is gone ({failure.strerror or failure}); finished epochs "
        "are kept",
        where=address,
        fix="start Ray again on the head and on every node (ray stop, ray start), then give the "
        "same command again",
    )
    log.error("error: %s", told)
    sys.stdout.flush()
    os._exit(1)
