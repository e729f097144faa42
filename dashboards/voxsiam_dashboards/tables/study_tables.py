"""The tables of a report as texts, in the order in which they are read."""

from collections.abc import Callable, Sequence
from operator import attrgetter

from voxsiam.types import organ_title
from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.tables.comparison_notes import (
    first_notes,
    first_of,
    main_notes,
    patient_notes,
    seed_notes,
)
from voxsiam_dashboards.tables.cost import cost_table
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.row_comparisons import RowComparison
from voxsiam_dashboards.tables.row_tests import RowTest, between
from voxsiam_dashboards.tables.rows import AT_DIAGONAL, MEASURES, MM_DISTANCES, ReportRow
from voxsiam_dashboards.tables.settings import settings_table
from voxsiam_dashboards.tables.text_table import TextTable

COLUMNS = (
    "Row",
    "DSC [95 % over patients]",
    "against",
    "Patients x seeds",
    "Difference in DSC [95 %]",
    "p (patients and seeds, Holm)",
    "First in",
)
PATIENT_COLUMNS = (
    "Row",
    "against",
    "Patients",
    "Difference in DSC [95 %]",
    "Effect (-1 to 1)",
    "p (Wilcoxon, Holm)",
)
SEED_COLUMNS = ("Row", "against", "Seeds", "Difference in DSC [95 %]", "p (Student, Holm)")
DIFFERENCE_COLUMN = 4
FINGERPRINTS = {"data": "data", "split": "split", "method_version": "version of the method"}
_MOST_RUNS_NAMED = 4
MM_NOTES = (
    "On the training grid: voxels times the spacing of that grid. On the scan's own: the "
    "prediction is brought back to the scan. The paper prints mm, but its figures are almost "
    "surely grid voxels, so none of them stand here (docs/metrics.md#grid-voxels-and-mm). What a "
    "missed organ does to a distance: docs/metrics.md#missed-organs.",
)


def main_table(report: ReportTable) -> TextTable:
    """Ours, beside the paper's and the difference where it prints any."""
    beside = ("paper", "ours - paper") if report.has_printed else ()
    header = ["Row", "Seeds"]
    header += [name for measure in MEASURES for name in (measure.title, *beside)]
    lines = [
        (row.label, row.seeds_text, *_figures(row, paper=report.has_printed), row.missed_text)
        for row in report.rows
    ]
    return TextTable(report.main_title, (*header, "Missed organs"), tuple(lines))


def comparison_table(report: ReportTable) -> TextTable:
    """Is the difference real? Asked of patients and trainings together."""
    found = report.comparisons
    held = (n for n, each in enumerate(found.rows) if each.test and each.test.holds)
    ranked = sum(each.first is not None for each in found.rows)
    family = [f"{each.row} against {each.partner}" for each in found.rows if each.test]
    return TextTable(
        title="Is the difference real?",
        header=COLUMNS,
        body=tuple(_main_texts(each) for each in found.rows),
        notes=(
            *main_notes(found.tests, family),
            *first_notes(found.equal_rows_first, ranked),
        ),
        bold=frozenset((line, DIFFERENCE_COLUMN) for line in held),
    )


def patient_table(report: ReportTable) -> TextTable:
    """The same over patients alone."""
    body = _detail(report.comparisons.rows, PATIENT_COLUMNS, attrgetter("patient_texts"))
    tests = report.comparisons.tests
    notes = patient_notes(tests, len(tests))
    return TextTable("Detail: over patients alone", PATIENT_COLUMNS, body, notes)


def seed_table(report: ReportTable) -> TextTable:
    """The same over seeds alone."""
    body = _detail(report.comparisons.rows, SEED_COLUMNS, attrgetter("seed_texts"))
    notes = seed_notes(report.comparisons.tests)
    return TextTable("Detail: over seeds alone", SEED_COLUMNS, body, notes)


def organ_table(report: ReportTable) -> TextTable:
    """DSC by organ, with the paper's where it prints them; of many organs a line each."""
    organs = report.organs
    if report.has_many_organs:
        header = ("Organ", *(row.label for row in report.rows))
        body = [
            (organ_title(organ), *(row.organs[organ].text for row in report.rows))
            for organ in organs
        ]
        return TextTable("DSC by organ (0 to 1), the worst first", header, tuple(body))
    lines: list[tuple[str, ...]] = []
    for row in report.rows:
        cells = [row.organs[organ] for organ in organs]
        lines.append((row.label, *(cell.text for cell in cells)))
        if row.has_printed_organs:
            lines.append((f"{row.label}, paper", *(cell.printed_text for cell in cells)))
            lines.append((f"{row.label}, ours - paper", *(c.difference_text for c in cells)))
    header = ("DSC (0 to 1)", *(organ_title(organ) for organ in organs))
    return TextTable("DSC by organ (0 to 1)", header, tuple(lines))


def distance_table(report: ReportTable) -> TextTable:
    """HD95 and ASSD in mm, and HD95 with a price for missed organs."""
    lines = [
        (row.label, *(row.figure_text(key) for key in MM_DISTANCES), row.at_diagonal.text)
        for row in report.rows
    ]
    header = ("Row", *MM_DISTANCES.values(), AT_DIAGONAL)
    return TextTable("Distances in mm, and with missed organs", header, tuple(lines), MM_NOTES)


def environment_table(report: ReportTable) -> TextTable:
    """Write versions, device and fingerprints; one line a value where runs differ."""
    trials = [trial for row in report.rows for trial in row.trials]
    runs = [(f"{trial.row} s{trial.seed}", _environment(trial)) for trial in trials]
    found: dict[str, dict[str, list[str]]] = {}
    for name in dict.fromkeys(name for _, facts in runs for name in facts):
        by_value = found.setdefault(name, {})
        for run, facts in runs:
            by_value.setdefault(facts.get(name, "not told"), []).append(run)
    differing = [name for name, by_value in found.items() if len(by_value) > 1]
    note = "All runs of this study were computed with the same."
    if differing:
        note = f"The runs of this study differ in: {', '.join(differing)}."
    return TextTable(
        title="What it was computed with",
        header=("What", "Value", "Runs"),
        body=tuple(
            (name, value, first_of(labels, _MOST_RUNS_NAMED) if name in differing else "all")
            for name, by_value in found.items()
            for value, labels in by_value.items()
        ),
        notes=(note if runs else "No run has started.",),
    )


def report_tables(report: ReportTable) -> dict[str, TextTable]:
    """Name every table of a report, as its page does."""
    return {
        "main": main_table(report),
        "compared": comparison_table(report),
        "over_patients": patient_table(report),
        "over_seeds": seed_table(report),
        "distances": distance_table(report),
        "organs": organ_table(report),
        "settings": settings_table(report),
        "cost": cost_table(report),
    }


def _main_texts(each: RowComparison) -> tuple[str, ...]:
    if each.mean is None:
        return (each.row, "not finished", *("-" for _ in COLUMNS[2:]))
    first = "-" if each.first is None else f"{each.first:.0%}"
    mean = f"{each.mean:.3f}{between(each.interval, each.patients)}"
    if each.test is None:
        return (each.row, mean, *("-" for _ in COLUMNS[2:-1]), first)
    tested = (each.test.units_text, each.test.difference_text, each.test.p_value_text)
    return (each.row, mean, each.partner or "-", *tested, first)


def _detail(
    rows: Sequence[RowComparison],
    columns: Sequence[str],
    texts: Callable[[RowTest], tuple[str, ...]],
) -> tuple[tuple[str, ...], ...]:
    """Write what one kind of unit alone says; dashes where a row was not tested."""
    return tuple(
        (each.row, each.partner or "-", *texts(each.test))
        if each.test
        else (each.row, *("-" for _ in columns[1:]))
        for each in rows
    )


def _environment(trial: TrialResult) -> dict[str, str]:
    fingerprints = {title: trial.fingerprints.get(key, "") for key, title in FINGERPRINTS.items()}
    return {name: value for name, value in (fingerprints | trial.environment).items() if value}


def _figures(row: ReportRow, *, paper: bool) -> tuple[str, ...]:
    cells = [(row.figure_text(measure.key), row.cells[measure.key]) for measure in MEASURES]
    return tuple(
        part
        for text, cell in cells
        for part in (text, *((cell.printed_text, cell.difference_text) if paper else ()))
    )
