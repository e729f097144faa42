"""The tables of a report as texts, in the order in which they are read."""

from collections.abc import Iterable

from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.tables.cost_table import cost_table
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.row_comparisons import (
    COLUMNS,
    DIFFERENCE_COLUMN,
    SEED_COLUMNS,
    SEED_DIFFERENCE_COLUMN,
    comparison_notes,
    seed_notes,
)
from voxsiam_dashboards.tables.rows import MEASURES, MM_DISTANCES, Cell, ReportRow
from voxsiam_dashboards.tables.settings import settings_table
from voxsiam_dashboards.tables.text_table import TextTable

MM_NOTES = (
    "On the training grid: voxels times the spacing of that grid. On the scan's own: the "
    "prediction is brought back to the scan. The paper prints mm, but its figures are almost "
    "surely grid voxels, so none of them stand here.",
)


def main_table(report: ReportTable) -> TextTable:
    """Ours beside the paper's, and the difference."""
    header = ["Row", "Seeds"]
    header += [name for m in MEASURES for name in (m.title, "paper", "ours - paper")]
    lines = [(row.label, row.seeds_text, *_figures(row), row.missed_text) for row in report.rows]
    return TextTable("Ours beside the paper's", (*header, "Missed organs"), tuple(lines))


def patient_table(report: ReportTable) -> TextTable:
    """Is the difference real? Asked of patients."""
    found = report.comparisons
    held = (n for n, each in enumerate(found) if each.over_patients and each.over_patients.holds)
    return TextTable(
        title="Is the difference real? Over patients",
        header=COLUMNS,
        body=tuple(each.texts for each in found),
        notes=comparison_notes(found),
        bold=frozenset((line, DIFFERENCE_COLUMN) for line in held),
    )


def seed_table(report: ReportTable) -> TextTable:
    """Would another training differ too? Asked of seeds."""
    found = report.comparisons
    held = (n for n, each in enumerate(found) if each.over_seeds and each.over_seeds.holds)
    return TextTable(
        title="Would other trainings differ? Over seeds",
        header=SEED_COLUMNS,
        body=tuple(each.seed_texts for each in found),
        notes=seed_notes(found),
        bold=frozenset((line, SEED_DIFFERENCE_COLUMN) for line in held),
    )


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
    """HD95 and ASSD in mm."""
    lines = [(row.label, *_texts(row.distances_mm.values())) for row in report.rows]
    header = ("Row", *MM_DISTANCES.values())
    return TextTable("Distances in mm", header, tuple(lines), MM_NOTES)


def report_tables(report: ReportTable) -> tuple[TextTable, ...]:
    """List every table of a report."""
    return (
        main_table(report),
        patient_table(report),
        seed_table(report),
        distance_table(report),
        organ_table(report),
        settings_table(report),
        cost_table(report),
    )


def _figures(row: ReportRow) -> tuple[str, ...]:
    cells = [row.cells[measure.key] for measure in MEASURES]
    return tuple(
        text for cell in cells for text in (cell.text, cell.printed_text, cell.difference_text)
    )


def _texts(cells: Iterable[Cell]) -> tuple[str, ...]:
    return tuple(cell.text for cell in cells)
