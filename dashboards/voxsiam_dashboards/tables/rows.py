"""The rows of a table: our figures, the seeds behind them, and the printed ones.

A figure is the mean over the finished seeds of a row; its spread is the sample standard deviation
(ddof = 1), and one seed has none. A row that has not finished says so and stays in its place.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from voxsiam.orchestration.studies.table import Printed, Row
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.tables.group_means import group_means


@dataclass(frozen=True)
class Measure:
    """A column of the table.

    Attributes:
        key: Its key in a trial's final scores.
        title: What stands above the column, with the unit.
        printed: Its field in `voxsiam.orchestration.studies.table.Printed`.
    """

    key: Literal["dsc", "hd95_grid", "assd_grid"]
    title: str
    printed: Literal["dsc", "hd95", "assd"]


MEASURES = (
    Measure("dsc", "DSC (0 to 1)", "dsc"),
    Measure("hd95_grid", "HD95 (grid voxels)", "hd95"),
    Measure("assd_grid", "ASSD (grid voxels)", "assd"),
)
AT_DIAGONAL = "HD95 (grid voxels), a missed organ counting as the grid's diagonal"
"""Title of the distance that does not get better where organs are missed."""

MM_DISTANCES = {
    "hd95_mm_grid": "HD95 (mm, training grid)",
    "assd_mm_grid": "ASSD (mm, training grid)",
    "hd95_mm_native": "HD95 (mm, the scan's own grid)",
    "assd_mm_native": "ASSD (mm, the scan's own grid)",
}
"""Titles of the distances that the paper does not print, by their keys in a trial's scores."""


@dataclass(frozen=True)
class SeedValue:
    """The figure of one finished seed; None where the run found nothing to measure."""

    seed: int
    run_id: str
    value: float | None


@dataclass(frozen=True)
class Cell:
    """One figure of a row, with the seeds it comes from and what the paper prints."""

    seeds: tuple[SeedValue, ...]
    printed: float | None = None

    @property
    def values(self) -> list[float]:
        """The figures of the seeds that have one."""
        return [seed.value for seed in self.seeds if seed.value is not None]

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None when there is no figure."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds; None below two figures."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def text(self) -> str:
        """The figure as a reader sees it."""
        if self.mean is None:
            return "undefined" if self.seeds else "not finished"
        if self.sd is None:
            return f"{self.mean:.3f} (1 seed)"
        return f"{self.mean:.3f} ± {self.sd:.3f}"

    @property
    def printed_text(self) -> str:
        """The paper's figure, or a dash where it prints none."""
        return "-" if self.printed is None else f"{self.printed:.3f}"

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's; None where either is missing."""
        if self.mean is None or self.printed is None:
            return None
        return self.mean - self.printed

    @property
    def difference_text(self) -> str:
        """The difference with its sign, or a dash."""
        return "-" if self.difference is None else f"{self.difference:+.3f}"


@dataclass(frozen=True)
class ReportRow:
    """One line of the table.

    Attributes:
        planned: How many seeds the study wants.
        trials: All trials of this row that have started.
        cells: By the keys of MEASURES.
        organs: DSC by organ.
        distances_mm: By the keys of MM_DISTANCES.
        at_diagonal: HD95 in grid voxels where a missed organ counts as the grid's diagonal; no
            figure where the study does not say its grid.
        missed: Organs the reference has and the prediction has not, for each seed.
        missed_native: The same on the scans' own grids.
        scored: Organs the reference has, for each seed.
        partner: Label of the row that it is tested against, if there is one.
        label_fraction: Share of the training cases that it sees.
        method: What is trained: the label, but for the share.
    """

    label: str
    planned: int
    trials: tuple[TrialResult, ...]
    cells: dict[str, Cell]
    organs: dict[str, Cell]
    distances_mm: dict[str, Cell]
    at_diagonal: Cell
    missed: Cell
    missed_native: Cell
    scored: Cell
    partner: str | None = None
    label_fraction: float = 1.0
    method: str = ""

    @property
    def has_printed_organs(self) -> bool:
        """Tell whether the paper prints figures by organ."""
        return any(cell.printed is not None for cell in self.organs.values())

    @property
    def finished(self) -> int:
        """How many seeds have ended with test scores."""
        return sum(trial.finished for trial in self.trials)

    @property
    def seeds_text(self) -> str:
        """Finished of planned seeds."""
        return f"{self.finished} of {self.planned}"

    def left_out(self, key: str) -> str:
        """Say how many missed organs a distance leaves out; empty where none, and for DSC."""
        missed = sum((self.missed_native if key.endswith("native") else self.missed).values)
        return f"{missed:.0f} missed" if missed and key != "dsc" else ""

    def figure_text(self, key: str) -> str:
        """Write a figure; a distance says on the spot what it leaves out."""
        text, left_out = {**self.cells, **self.distances_mm}[key].text, self.left_out(key)
        return f"{text} ({left_out})" if left_out else text

    @property
    def missed_text(self) -> str:
        """Missed of scored organs, all seeds together."""
        if not self.missed.values or not self.scored.values:
            return self.missed.text
        return f"{sum(self.missed.values):.0f} of {sum(self.scored.values):.0f}"


def build_row(row: Row, partner: str | None, planned: int, results: StudyResults) -> ReportRow:
    """Gather a row's figures from the trials of a study that carry its label."""
    own = sorted((t for t in results.trials if t.row == row.label), key=lambda t: t.seed)
    done = [trial for trial in own if trial.finished]
    # Of other organs nothing is printed.
    printed = row.printed if results.organs == PAPER_ORGANS else Printed()
    return ReportRow(
        label=row.label,
        planned=planned,
        trials=tuple(own),
        cells={m.key: _cell(done, m.key, getattr(printed, m.printed)) for m in MEASURES},
        organs={o: _cell(done, f"dsc/{o}", printed.organs.get(o)) for o in results.organs},
        distances_mm={key: _cell(done, key) for key in MM_DISTANCES},
        at_diagonal=_at_diagonal(done, results),
        missed=_cell(done, "missed_organs"),
        missed_native=_cell(done, "missed_organs_native"),
        scored=_cell(done, "scored_organs"),
        partner=partner,
        label_fraction=row.label_fraction,
        method=row.method or row.label,
    )


def _cell(trials: Iterable[TrialResult], key: str, printed: float | None = None) -> Cell:
    return Cell(
        tuple(SeedValue(t.seed, t.run_id, _finite(t.final.get(key))) for t in trials), printed
    )


def _at_diagonal(trials: Iterable[TrialResult], results: StudyResults) -> Cell:
    """Give each missed organ the length of the diagonal, then average as the table does."""
    grid = results.plan.get("grid_hwd")
    if not isinstance(grid, list):
        return Cell(())
    diagonal = math.hypot(*(size - 1 for size in grid))
    return Cell(tuple(SeedValue(t.seed, t.run_id, _hd95_with(diagonal, t)) for t in trials))


def _hd95_with(diagonal: float, trial: TrialResult) -> float | None:
    cases = trial.cases
    if cases.empty:
        return None
    distances = cases["hd95_grid"].mask(cases["missed"].astype(bool), diagonal)
    means = group_means(cases["organ"].to_numpy(), distances.to_numpy())
    return statistics.fmean(means.values()) if means else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
