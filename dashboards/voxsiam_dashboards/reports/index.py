"""One page over all studies of a workspace, each with a link to its own report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.durable_files import write_text_atomically
from voxsiam_dashboards.reports.page import PAGE, render_page
from voxsiam_dashboards.tables.cost import study_cost
from voxsiam_dashboards.tables.footnotes import data_kind
from voxsiam_dashboards.tables.report_table import ReportTable

STUDY_COLUMNS = ("Study", "Preset", "Data", "Finished runs", "Cost", "Energy (kJ)", "Study id")
ROW_COLUMNS = ("Row", "Seeds", "DSC (0 to 1)", "paper", "ours - paper")


@dataclass(frozen=True)
class IndexEntry:
    """A study of the list, and the folder of its report beside the page."""

    report: ReportTable
    folder: str

    @property
    def address(self) -> str:
        """Where its report lies, from the page."""
        return f"{self.folder}/{PAGE}"

    @property
    def is_finished(self) -> bool:
        """Tell whether every row has all its seeds."""
        return all(row.finished == row.planned for row in self.report.rows)

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells in the order of STUDY_COLUMNS."""
        results, rows = self.report.results, self.report.rows
        cost = study_cost(self.report)
        data = f"{results.fingerprints.get('data_name', '')} ({data_kind(results)})"
        runs = f"{sum(r.finished for r in rows)} of {sum(r.planned for r in rows)}"
        return (
            self.report.table.heading, results.preset, data, runs,
            cost.hours_text, cost.energy_text, results.study_id,
        )  # fmt: skip

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The study's rows, in the order of ROW_COLUMNS."""
        return [
            (row.label, row.seeds_text, cell.text, cell.printed_text, cell.difference_text)
            for row in self.report.rows
            for cell in [row.cells["dsc"]]
        ]


def write_index(entries: Sequence[IndexEntry], directory: Path) -> Path:
    """Write the page into the folder that holds the reports; an older one is replaced."""
    page = render_page(
        "studies", entries=entries, study_columns=STUDY_COLUMNS, row_columns=ROW_COLUMNS
    )
    directory.mkdir(parents=True, exist_ok=True)
    write_text_atomically(directory / PAGE, page)
    return directory / PAGE
