"""One table of the paper with our figures beside the printed ones."""

from collections import Counter
from dataclasses import dataclass
from math import inf
from statistics import fmean

from voxsiam.orchestration.studies.table import Table
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.tables.footnotes import footnotes
from voxsiam_dashboards.tables.row_comparisons import Comparisons, compare_rows
from voxsiam_dashboards.tables.rows import ReportRow, build_row

MANY_ORGANS = 12
"""Above it a table has a line an organ, the worst first, and lists of organs are folded."""


@dataclass(frozen=True)
class ReportTable:
    """A table of the paper, measured again."""

    table: Table
    rows: tuple[ReportRow, ...]
    comparisons: Comparisons
    footnotes: tuple[str, ...]
    results: StudyResults

    @property
    def has_printed(self) -> bool:
        """Tell whether a paper's figures stand beside any of these."""
        return any(cell.printed is not None for row in self.rows for cell in row.cells.values())

    @property
    def main_title(self) -> str:
        """What stands above the figures."""
        return "Ours beside the paper's" if self.has_printed else "Results"

    @property
    def has_many_organs(self) -> bool:
        """Tell whether there are too many for a column each."""
        return len(self.results.organs) > MANY_ORGANS

    @property
    def organs(self) -> list[str]:
        """The classes in their order; of many the worst first, by their mean DSC over the rows."""
        if not self.has_many_organs:
            return list(self.results.organs)

        def rank(organ: str) -> float:
            means = [row.organs[organ].mean for row in self.rows]
            known = [mean for mean in means if mean is not None]
            return fmean(known) if known else inf

        return sorted(self.results.organs, key=rank)


def build_table(table: Table, results: StudyResults) -> ReportTable:
    """Join a table of the paper with what a study found, by the rows' labels."""
    planned = _planned_seeds(results)
    rows = tuple(build_row(row, table.partner(row), planned, results) for row in table.rows)
    known = [trial for row in rows for trial in row.trials]
    strangers = sorted({trial.row for trial in results.trials} - {row.label for row in rows})
    return ReportTable(
        table=table,
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
    return max(Counter(trial.row for trial in results.trials).values(), default=0)
