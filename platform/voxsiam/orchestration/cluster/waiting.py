"""Waits that say what for and who holds it, and that end where nobody works on it."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import TypeVar

from voxsiam.errors import UserError

PATIENCE_SETTING = "VOXSIAM_PATIENCE_S"
"""Seconds after which any wait ends; without it, none ends on which somebody works."""

FIRST_WORD_S, NEXT_WORD_S = 10.0, 180.0
ALONE_S = 600.0
"""The patience with a wait on which nobody works, where no other is set."""

_LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Clock = Callable[[], float]
WhoWorks = Callable[[], Sequence[str] | None]
"""Says who works on what is waited for: nobody where it is empty; None where that is not known."""


class WaitedTooLongError(UserError):
    """A wait was ended; everything that was done before it is kept."""


class Wait:
    """One wait for something, told in words; whoever waits looks at it about once a second."""

    def __init__(self, what: str, who: WhoWorks, now: Clock = time.monotonic) -> None:
        self._what, self._who, self._now = what, who, now
        self._began = self._worked_on = now()
        self._next_look = self._next_word = self._began + FIRST_WORD_S
        self._patience_s = seconds_set(PATIENCE_SETTING, "a time that a wait may last", math.inf)
        self._end = self._began + self._patience_s

    def look(self) -> None:
        """Say how it stands, after 10 s and then every three minutes.

        Raises:
            WaitedTooLongError: It has lasted longer than the patience that was set; or nobody has
                worked on it for ten minutes.
        """
        now = self._now()
        if now < min(self._next_look, self._end):
            return
        self._next_look = now + FIRST_WORD_S
        workers = self._who()
        if workers is None or workers:
            self._worked_on = now
        if now >= self._next_word:
            self._next_word = now + NEXT_WORD_S
            log.warning("%s", self._told(now, workers))
        alone = self._patience_s == math.inf and now - self._worked_on >= ALONE_S
        if alone or now >= self._end:
            raise self._ended(now, workers)

    def _told(self, now: float, workers: Sequence[str] | None) -> str:
        told = f"waiting for {self._what}, {now - self._began:.0f} s by now"
        if workers is None:
            return told
        return f"{told}: {'; '.join(workers) or 'nobody works on it'}"

    def _ended(self, now: float, workers: Sequence[str] | None) -> WaitedTooLongError:
        return WaitedTooLongError(
            f"{self._told(now, workers)}. It was given up; what is finished is kept",
            where=f"--patience {self._patience_s:g}" if self._end < math.inf else "--patience",
            fix="see what holds it (ray status, voxsiam jobs list), then give the same command "
            "again, with more --patience (seconds) where it needs longer",
        )


def seconds_set(name: str, what: str, otherwise: float) -> float:
    """Read a number of seconds, at least 1, from the environment, where it is set.

    Raises:
        UserError: It is set to anything else.
    """
    setting = os.environ.get(name)
    if setting is None:
        return otherwise
    if not setting.replace(".", "", 1).isdecimal() or float(setting) < 1:
        fix = f"give seconds, at least 1, or leave it unset ({otherwise:g})"
        raise UserError(f"'{setting:.40}' is not {what}", where=name, fix=fix)
    return float(setting)


def waited_for(
    call: Callable[[], Answer],
    what: str,
    who: WhoWorks = lambda: None,
    now: Clock = time.monotonic,
) -> Answer:
    """Make a call that may wait, in a thread of its own, and say so as long as it does.

    A call that is given up goes on in its thread: it must be one that does no harm.

    Raises:
        WaitedTooLongError: See `Wait.look`.
        Exception: What the call raises.
    """
    outcome: futures.Future[Answer] = futures.Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # raised again where it is waited for
            outcome.set_exception(error)

    wait = Wait(what, who, now)
    threading.Thread(target=run, name="waited-for", daemon=True).start()
    while not futures.wait([outcome], _LOOK_EVERY_S).done:
        wait.look()
    return outcome.result()
