"""Two ways of doing the same thing, timed in turn in one process, reported as a ratio."""

import statistics
import time
from collections.abc import Callable


def time_in_turn(
    baseline: Callable[[], object], ours: Callable[[], object], rounds: int
) -> list[tuple[float, float]]:
    """Return (baseline, ours) seconds of each round, after one warm-up of both."""
    baseline()
    ours()
    return [(_seconds(baseline), _seconds(ours)) for _ in range(rounds)]


def show(title: str, times: list[tuple[float, float]]) -> None:
    """Print both medians and the ratio's least, median and greatest value."""
    ratios = sorted(base / ours for base, ours in times)
    base, ours = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{title}: baseline {base * 1e3:.1f} ms, ours {ours * 1e3:.1f} ms, ratio "
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, n={len(times)})"
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
