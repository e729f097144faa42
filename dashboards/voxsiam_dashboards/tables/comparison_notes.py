"""What a reader must know of a comparison: how it was made, and what it could find at all."""

from collections.abc import Sequence
from itertools import count

from voxsiam.statistics.first_place import ONE_OF
from voxsiam.statistics.interval import (
    LEVEL,
    PATIENTS_WHERE_CASES_FAIL,
    quantile,
    too_few_where_cases_fail,
)
from voxsiam.statistics.signed_rank import least_p
from voxsiam_dashboards.tables.row_tests import FEW, RowTest, could_decide

PAGE = "docs/statistics.md"
ENOUGH_SEEDS = 5
_NAMED = 3


def main_notes(tests: Sequence[RowTest], family: Sequence[str]) -> tuple[str, ...]:
    """Say what the main test asks, which family of comparisons pays, and what it could find."""
    if not tests:
        return ()
    return (
        "Patients and trainings are both samples. A difference is bold where it would be there "
        "with other patients and other trainings too: corrected p-value at most "
        f"{LEVEL} ({PAGE}#main-test).",
        f"Holm's correction, and the intervals, are for {family_text(family)} ({PAGE}#families).",
        *_reach(min(test.seeds for test in tests), len(family)),
        *few_notes(min(test.patients for test in tests)),
    )


def family_text(family: Sequence[str]) -> str:
    """Name the comparisons that are corrected together."""
    if len(family) == 1:
        return f"one comparison, {family[0]}"
    return f"{len(family)} comparisons together: {first_of(family, _NAMED)}"


def first_of(names: Sequence[str], most: int) -> str:
    """Name the first of many, and say how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def patient_notes(tests: Sequence[RowTest], family: int) -> tuple[str, ...]:
    """Say what the test over patients alone asks, and whether it could find anything."""
    if not tests:
        return ()
    asked = (
        "Detail: would these very trainings differ on other patients? Wilcoxon's signed-rank test, "
        "exact, on patients averaged over seeds; the effect is the rank-biserial correlation. It "
        f"says nothing of other trainings ({PAGE}#over-patients-alone)."
    )
    fewest = min(test.patients for test in tests)
    if could_decide(fewest, family):
        return (asked, *few_notes(fewest))
    needed = next(patients for patients in count(1) if could_decide(patients, family))
    least = min(1.0, family * least_p(fewest))
    return (
        asked,
        f"Patients are too few for it: with {fewest} of them and {family} comparisons the least "
        f"possible corrected p-value is {least:.3g}. It takes {needed} "
        f"({PAGE}#what-could-be-found).",
    )


def seed_notes(tests: Sequence[RowTest]) -> tuple[str, ...]:
    """Say what the test over seeds alone asks."""
    if not tests:
        return ()
    return (
        "Detail: would other trainings differ on these very patients? Student's test on seeds, "
        "each averaged over the patients that both rows have; equal seeds make a pair. It says "
        f"nothing of other patients ({PAGE}#over-seeds-alone).",
    )


def first_notes(equal_rows_first: float | None, rows: int) -> tuple[str, ...]:
    """Say what a share of first places means, by what the leader of equal rows would have."""
    if equal_rows_first is None:
        return ()
    return (
        "'First in' is the share of resamples over patients and seeds in which a row has the best "
        f"mean. Were all {rows} rows equal, the leader would have {equal_rows_first:.0%} or more "
        f"in one of {ONE_OF} such studies ({PAGE}#first-in).",
    )


def few_notes(patients: int) -> tuple[str, ...]:
    """Say what the mark behind an interval means, where it stands."""
    if not too_few_where_cases_fail(patients):
        return ()
    return (
        f"{FEW} Too few patients ({patients}) for a 95 % interval where cases may fail: a failure "
        "that befalls 3 to 8 of 100 cases is often not among so few, and the interval then holds "
        f"less often. It takes {PATIENTS_WHERE_CASES_FAIL} ({PAGE}#intervals).",
    )


def _reach(seeds: int, family: int) -> tuple[str, ...]:
    """Say beforehand what so few trainings can find."""
    if seeds >= ENOUGH_SEEDS:
        return ()
    if seeds == 1:
        return (
            "One training of a row does not show how far trainings differ, so nothing can be told "
            f"of others: give --seeds {ENOUGH_SEEDS} ({PAGE}#what-could-be-found).",
        )
    times = quantile(LEVEL / family, seeds - 1)
    enough = f"with {ENOUGH_SEEDS}, {quantile(LEVEL / family, ENOUGH_SEEDS - 1):.1f}"
    return (
        f"With {seeds} trainings of a row only very large differences can be found: {times:.1f} "
        f"standard errors over trainings; {enough} (--seeds {ENOUGH_SEEDS}; "
        f"{PAGE}#what-could-be-found).",
    )
