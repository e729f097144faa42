"""The cases of a data set, several at a time in threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

OnCase = Callable[[int, int], None]
"""Told (cases done, cases in all) whenever a case is done."""

Each = TypeVar("Each")
Result = TypeVar("Result")


def unheard(_done: int, _total: int) -> None:
    """Hear of progress where nobody looks."""


def side_by_side(
    do: Callable[[Each], Result],
    cases: Iterable[Each],
    at_a_time: int,
    on_case: OnCase = unheard,
) -> list[Result]:
    """Do something with every case; results in the order of the cases, the first error ends it."""
    with ThreadPoolExecutor(at_a_time) as pool:
        jobs = [pool.submit(do, case) for case in cases]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                on_case(done, len(jobs))
        finally:
            pool.shutdown(cancel_futures=True)
    return [job.result() for job in jobs]
