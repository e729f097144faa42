"""What a long command shows: a table drawn anew on a terminal, lines with the time elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table

from voxsiam_cli.console import clock, console, say


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
    """Say what the table shows, with the time since the beginning, where there is no table."""
    if not console.is_terminal:
        say(f"[{clock(seconds)}] {text}")
