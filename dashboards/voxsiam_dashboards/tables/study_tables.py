"""The tables of a report as texts, in the order in which they are read."""

from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.tables.comparison_notes import (
    first_notes,
    main_notes,
    patient_notes,
    seed_notes,
)
from voxsiam_dashboards.tables.cost_table import cost_table
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.row_comparisons import (
    COLUMNS,
    DIFFERENCE_COLUMN,
    PATIENT_COLUMNS,
    SEED_COLUMNS,
)
from voxsiam_dashboards.tables.rows import AT_DIAGONAL, MEASURES, MM_DISTANCES, ReportRow
from voxsiam_dashboards.tables.settings import settings_table
from voxsiam_dashboards.tables.text_table import TextTable

MM_NOTES = (
    "On the training grid: voxels times the spacing of that grid. On the scan's own: the "
    "prediction is brought back to the scan. The paper prints mm, but its figures are almost "
    "surely grid voxels, so none of them stand here (docs/metrics.md#grid-voxels-and-mm). What a "
    "missed organ does to a distance: docs/metrics.md#missed-organs.",
)


def main_table(report: ReportTable) -> TextTable:
    """Ours beside the paper's, and the difference."""
    header = ["Row", "Seeds"]
    header += [name for m in MEASURES for name in (m.title, "paper", "ours - paper")]
    lines = [(row.label, row.seeds_text, *_figures(row), row.missed_text) for row in report.rows]
    return TextTable("Ours beside the paper's", (*header, "Missed organs"), tuple(lines))


def comparison_table(report: ReportTable) -> TextTable:
    """Is the difference real? Asked of patients and trainings together."""
    found = report.comparisons
    held = (n for n, each in enumerate(found.rows) if each.test and each.test.holds)
    return TextTable(
        title="Is the difference real?",
        header=COLUMNS,
        body=tuple(each.texts for each in found.rows),
        notes=(
            *main_notes(found.tests, found.family),
            *first_notes(found.equal_rows_first, len(found.ranked)),
        ),
        bold=frozenset((line, DIFFERENCE_COLUMN) for line in held),
    )


def patient_table(report: ReportTable) -> TextTable:
    """The same over patients alone."""
    found = report.comparisons
    body = tuple(each.patient_texts for each in found.rows)
    notes = patient_notes(found.tests, len(found.family))
    return TextTable("Detail: over patients alone", PATIENT_COLUMNS, body, notes)


def seed_table(report: ReportTable) -> TextTable:
    """The same over seeds alone."""
    found = report.comparisons
    body = tuple(each.seed_texts for each in found.rows)
    return TextTable("Detail: over seeds alone", SEED_COLUMNS, body, seed_notes(found.tests))


def organ_table(report: ReportTable) -> TextTable:
    """DSC by organ, with the paper's where it prints them."""
    lines: list[tuple[str, ...]] = []
    for row in report.rows:
        cells = [row.organs[organ] for organ in ORGANS]
        lines.append((row.label, *(cell.text for cell in cells)))
        if row.has_printed_organs:
            lines.append((f"{row.label}, paper", *(cell.printed_text for cell in cells)))
            lines.append((f"{row.label}, ours - paper", *(c.difference_text for c in cells)))
    header = ("DSC (0 to 1)", *(organ_title(organ) for organ in ORGANS))
    return TextTable("DSC by organ (0 to 1)", header, tuple(lines))


def distance_table(report: ReportTable) -> TextTable:
    """HD95 and ASSD in mm, and HD95 with a price for missed organs."""
    lines = [
        (row.label, *(row.figure_text(key) for key in MM_DISTANCES), row.at_diagonal.text)
        for row in report.rows
    ]
    header = ("Row", *MM_DISTANCES.values(), AT_DIAGONAL)
    return TextTable("Distances in mm, and with missed organs", header, tuple(lines), MM_NOTES)


def report_tables(report: ReportTable) -> tuple[TextTable, ...]:
    """List every table of a report."""
    return (
        main_table(report),
        comparison_table(report),
        patient_table(report),
        seed_table(report),
        distance_table(report),
        organ_table(report),
        settings_table(report),
        cost_table(report),
    )


def _figures(row: ReportRow) -> tuple[str, ...]:
    cells = [(row.figure_text(measure.key), row.cells[measure.key]) for measure in MEASURES]
    return tuple(
        part for text, cell in cells for part in (text, cell.printed_text, cell.difference_text)
    )
