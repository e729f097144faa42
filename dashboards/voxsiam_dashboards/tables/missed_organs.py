"""Which organs two rows missed, and in which cases: present in the reference, never predicted."""

from collections import Counter

from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_dashboards.tables.two_rows import ComparedRow

HEADER = ("Organ", "A: missed", "in the cases", "B: missed", "in the cases")
NOTE = "All seeds together; a number behind a case counts the seeds that missed the organ there."


def missed_table(first: ComparedRow, second: ComparedRow) -> TextTable:
    """Write one line for each organ that either row missed."""
    sides = [_of_row(row) for row in (first, second)]
    body = tuple(
        (organ_title(organ), *(text for side in sides for text in _texts(side, organ)))
        for organ in ORGANS
        if any(missed for side in sides for _, missed in side.get(organ, ()))
    )
    notes = (NOTE,) if body else ("Neither row missed an organ.",)
    return TextTable("Missed organs", HEADER, body, notes)


_OfOrgan = list[tuple[str, bool]]
"""Case, and whether the organ was missed there, for each seed."""


def _of_row(row: ComparedRow) -> dict[str, _OfOrgan]:
    found: dict[str, _OfOrgan] = {}
    for cases in (trial.cases for trial in row.trials):
        names = zip(cases["organ"], cases["case_id"], cases["missed"], strict=True)
        for organ, case_id, missed in names:
            found.setdefault(organ, []).append((case_id, bool(missed)))
    return found


def _texts(side: dict[str, _OfOrgan], organ: str) -> tuple[str, str]:
    scored = side.get(organ, [])
    seeds = Counter(case_id for case_id, missed in scored if missed)
    cases = [case if count == 1 else f"{case} ({count})" for case, count in sorted(seeds.items())]
    return f"{seeds.total()} of {len(scored)}", ", ".join(cases) or "-"
