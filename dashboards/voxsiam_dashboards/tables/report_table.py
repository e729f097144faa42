"""One table of the paper with our figures beside the printed ones."""

from dataclasses import dataclass

from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.tables.footnotes import footnotes
from voxsiam_dashboards.tables.row_comparisons import Comparisons, compare_rows
from voxsiam_dashboards.tables.rows import ReportRow, build_row
from voxsiam_experiments.table import Table


@dataclass(frozen=True)
class ReportTable:
    """A table of the paper, measured again."""

    name: str
    number: str
    title: str
    heading: str
    rows: tuple[ReportRow, ...]
    comparisons: Comparisons
    footnotes: tuple[str, ...]
    results: StudyResults

    @property
    def partners(self) -> dict[str, str]:
        """Labels of the rows that have a partner, and the partner's."""
        return {row.label: row.partner for row in self.rows if row.partner is not None}


def build_table(table: Table, results: StudyResults) -> ReportTable:
    """Join a table of the paper with what a study found, by the rows' labels."""
    planned = _planned_seeds(results)
    rows = tuple(build_row(row, table.partner(row), planned, results) for row in table.rows)
    known = [trial for row in rows for trial in row.trials]
    strangers = sorted({trial.row for trial in results.trials} - {row.label for row in rows})
    return ReportTable(
        name=table.name,
        number=table.number,
        title=table.title,
        heading=table.heading,
        rows=rows,
        comparisons=compare_rows(rows, results),
        footnotes=footnotes(table, results, known, strangers),
        results=results,
    )


def _planned_seeds(results: StudyResults) -> int:
    """Seeds a row as the plan says, else as many as the row with the most has."""
    seeds = results.plan.get("seeds")
    if isinstance(seeds, list):
        return len(seeds)
    if isinstance(seeds, int):
        return seeds
    labels = [trial.row for trial in results.trials]
    return max((labels.count(label) for label in labels), default=0)
