"""The one place that writes to the terminal."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from voxsiam.errors import UserError

if TYPE_CHECKING:
    from voxsiam.volumes.unused_file import UnusedFile

# Tables keep their columns in a log file: 80 columns are too few for them.
PLAIN_WIDTH = 120
MOST_LISTED, FEW_LISTED = 20, 3
SHORTEST_NAME = 12
console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
errors = Console(stderr=True, highlight=False)


def say(text: str = "", style: str | None = None) -> None:
    """Print a line as it is: text in square brackets is not markup, long lines are not broken."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def print_json(content: Any) -> None:  # noqa: ANN401
    """Print for machines."""
    console.out(json.dumps(content, indent=1), highlight=False)


def show_error(error: UserError) -> None:
    """Print the three lines: what, where, what to do."""
    errors.print(f"error: {error.what}", style="bold red", markup=False, soft_wrap=True)
    errors.print(f"  where: {error.where}", markup=False, soft_wrap=True)
    errors.print(f"  fix:   {error.fix}", markup=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Write a span of time as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def say_unused(files: "Sequence[UnusedFile]", root: Path | None = None) -> None:
    """Name the files that were not used with their reasons, those that may be missed first.

    Args:
        files: Many of one reason that nobody misses are counted in one line.
        root: The folder below which they lie, where several are looked into.
    """
    lost = [one for one in files if one.is_lost]
    for one in lost[:MOST_LISTED]:
        say(f"not used: {root / one.path if root else one.path} ({one.why})", "yellow")
    if len(lost) > MOST_LISTED:
        say(f"not used: {len(lost) - MOST_LISTED} more that may be missed", "yellow")
    for why in dict.fromkeys(one.why for one in files if not one.is_lost):
        named = [str(one.path) for one in files if not one.is_lost and one.why == why]
        more = f" and {len(named) - FEW_LISTED} more" if len(named) > FEW_LISTED else ""
        where = f" in {root}" if root else ""
        say(f"not used{where}: {', '.join(named[:FEW_LISTED])}{more} ({why})", "yellow")


@contextmanager
def live_table(draw: Callable[[], Table]) -> Iterator[None]:
    """Show a table, drawn anew twice a second; nothing where this is no terminal."""
    shown = Live(console=console, refresh_per_second=2, get_renderable=draw)
    if console.is_terminal:
        shown.start()
    try:
        yield
    finally:
        shown.stop()


def say_elsewhere(text: str, seconds: float) -> None:
    """Say what a live table shows, with the time since the beginning, where there is no table."""
    if not console.is_terminal:
        say(f"[{clock(seconds)}] {text}")


class Steps:
    """A progress bar with rate and time left on a terminal, a line every so often elsewhere.

    Use it as a context and call it with (done, total); what is done at the first call was done
    before and says nothing about the rate.

    Args:
        quiet: Show nothing: the output is for machines.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._title, self._quiet = title, quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=None, pace="")
        self._start: tuple[float, int] | None = None

    def __enter__(self) -> "Steps":
        if console.is_terminal and not self._quiet:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        if self._quiet:
            return
        pace = self._pace(done, total)
        if console.is_terminal:
            self._bar.update(self._task, completed=done, total=total, pace=pace)
        elif done == total or done % max(1, total // 4) == 0:
            say(f"{self._title}: {done} of {total}" + (f", {pace}" if pace else ""))

    def _pace(self, done: int, total: int) -> str:
        now = time.monotonic()
        start, before = self._start = self._start or (now, done)
        if done == before or now == start:
            return ""
        rate = (done - before) / (now - start)
        pace = f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
        return pace if done == total else f"{pace}, about {clock((total - done) / rate)} left"
