"""The tables of a comparison: what differs, the main figure, and each measure and organ."""

from collections.abc import Mapping

from voxsiam_dashboards.tables.comparison_notes import (
    few_notes,
    main_notes,
    patient_notes,
    seed_notes,
)
from voxsiam_dashboards.tables.row_tests import RowTest
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_dashboards.tables.two_rows import RowPair

DSC = "DSC (0 to 1)"

HEADER = ("", "A", "B", "B - A [95 %]", "Patients x seeds", "p (Holm)")

PAIRED_NOTE = (
    "Pairs are one patient, one organ and one seed: what a row did not find in one seed counts in "
    "neither row's distances there, so the row that misses organs is told on the same line. DSC "
    "counts a missed organ as 0 (docs/statistics.md#pairs)."
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
    told_a, told_b = (
        f", {missed} of {scored} organs missed" if missed else "" for missed, scored in pair.missed
    )
    distances = (_texts(each.what, each.test, (told_a, told_b)) for each in pair.distances)
    return TextTable(
        title="By measure and organ",
        header=HEADER,
        body=(
            *distances,
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


def _texts(what: str, test: RowTest, told: tuple[str, str] = ("", "")) -> tuple[str, ...]:
    """Write a line; `told` stands behind A's and B's figure."""
    return (
        what,
        f"{test.theirs:.3f}{told[0]}",
        f"{test.ours:.3f}{told[1]}",
        test.difference_text,
        test.units_text,
        test.p_value_text,
    )
