"""The tables of a comparison: what differs, the main figure, each measure and organ, and misses."""

from collections import Counter
from collections.abc import Mapping, Sequence

from voxsiam.types import organ_title
from voxsiam_dashboards.tables.comparison_notes import (
    few_notes,
    main_notes,
    patient_notes,
    seed_notes,
)
from voxsiam_dashboards.tables.row_tests import RowTest
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_dashboards.tables.two_rows import ComparedRow, RowPair

DSC = "DSC (0 to 1)"

HEADER = ("", "A", "B", "B - A [95 %]", "Patients x seeds", "p (Holm)")

PAIRED_NOTE = (
    "Pairs are one patient, one organ and one seed: what a row did not find in one seed counts in "
    "neither row's distances there, so the row that misses organs is told on the same line. DSC "
    "counts a missed organ as 0 (docs/statistics.md#pairs)."
)
MISSED_HEADER = ("Organ", "A: missed", "in the cases", "B: missed", "in the cases")
MISSED_NOTE = (
    "All seeds together; a number behind a case counts the seeds that missed the organ there."
)


def settings_text_table(differing: Mapping[str, tuple[str, ...]], title: str) -> TextTable:
    """Write what differs, one line a setting."""
    body = tuple((name, *values) for name, values in differing.items())
    return TextTable(title, ("Setting", "A", "B"), body, () if body else ("Nothing differs.",))


def dsc_table(pair: RowPair) -> TextTable:
    """Write the main comparison, and each kind of chance alone below it."""
    test = pair.dsc
    patients, difference, effect, p_value = test.patient_texts
    seeds, seed_difference, seed_p_value = test.seed_texts
    notes = (
        *main_notes([test], pair.family),
        *patient_notes([test], len(pair.family)),
        *seed_notes([test]),
        f"Effect over patients (rank-biserial, -1 to 1): {effect} "
        "(docs/statistics.md#over-patients-alone).",
    )
    return TextTable(
        title=f"A: {pair.first}   B: {pair.second}",
        header=HEADER,
        body=(
            _texts(DSC, test),
            ("over patients alone", "", "", difference, patients, p_value),
            ("over seeds alone", "", "", seed_difference, seeds, seed_p_value),
        ),
        notes=tuple(dict.fromkeys(notes)),
        bold=frozenset([(0, 3)] if test.holds else []),
    )


def effects_table(pair: RowPair) -> TextTable:
    """Write the distances, then DSC by organ, with what each row missed."""
    effects = (*pair.distances, *pair.organs)
    held = (n for n, each in enumerate(effects) if each.test.holds)
    missed = tuple(f"{missed} of {scored}" for missed, scored in pair.missed)
    told = tuple(
        f", {each} organs missed" if count else ""
        for each, (count, _) in zip(missed, pair.missed, strict=True)
    )
    return TextTable(
        title="By measure and organ",
        header=HEADER,
        body=(
            *(_texts(each.what, each.test, told) for each in pair.distances),
            *(_texts(each.what, each.test) for each in pair.organs),
            ("Missed organs", *missed, "-", "-", "-"),
        ),
        notes=(
            PAIRED_NOTE,
            f"The {len(effects)} lines are one family of tests: p-values and intervals pay for "
            "their number (docs/statistics.md#families).",
            *(few_notes(min(each.test.patients for each in effects)) if effects else ()),
        ),
        bold=frozenset((line, 3) for line in held),
    )


def missed_table(first: ComparedRow, second: ComparedRow) -> TextTable:
    """Write one line for each organ that either row missed: in the reference, never predicted."""
    body: list[tuple[str, ...]] = []
    for organ in first.results.organs:
        sides = [_misses(row, organ) for row in (first, second)]
        if any(missed for missed, _ in sides):
            texts = (text for side in sides for text in _missed_texts(*side))
            body.append((organ_title(organ), *texts))
    notes = (MISSED_NOTE,) if body else ("Neither row missed an organ.",)
    return TextTable("Missed organs", MISSED_HEADER, tuple(body), notes)


def _misses(row: ComparedRow, organ: str) -> tuple[Counter[str], int]:
    """Count by case the seeds that missed an organ, and how often it was to be found."""
    scored = [trial.cases.loc[trial.cases["organ"] == organ] for trial in row.trials]
    missed = [cases.loc[cases["missed"].astype(bool), "case_id"] for cases in scored]
    return Counter(case_id for cases in missed for case_id in cases), sum(map(len, scored))


def _missed_texts(missed: Counter[str], scored: int) -> tuple[str, str]:
    cases = [case if count == 1 else f"{case} ({count})" for case, count in sorted(missed.items())]
    return f"{missed.total()} of {scored}", ", ".join(cases) or "-"


def _texts(what: str, test: RowTest, told: Sequence[str] = ("", "")) -> tuple[str, ...]:
    """Write a line; `told` stands behind A's and B's figure."""
    return (
        what,
        f"{test.theirs:.3f}{told[0]}",
        f"{test.ours:.3f}{told[1]}",
        test.difference_text,
        test.units_text,
        test.p_value_text,
    )
