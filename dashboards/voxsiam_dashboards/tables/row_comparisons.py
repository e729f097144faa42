"""Is one row better than another? Asked of patients and trainings together, then of each alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from voxsiam.statistics.first_place import equal_rows_share, first_shares
from voxsiam.statistics.interval import Interval, mean_interval
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.tables.interval_text import between
from voxsiam_dashboards.tables.paired_cells import DSC_LIMIT, PairedCells, pair_cells
from voxsiam_dashboards.tables.patient_scores import seeds_by_patient
from voxsiam_dashboards.tables.row_tests import RowTest, family_tests
from voxsiam_dashboards.tables.rows import ReportRow

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


@dataclass(frozen=True)
class RowComparison:
    """What can be said of one row.

    Attributes:
        row: Its label.
        patients: Those with a figure.
        mean: DSC over organs, seeds and patients; None where the row has not finished.
        interval: Of that mean, over patients.
        partner: The row that it is tested against.
        test: Against that row; None where there is nothing to compare.
        first: Share of resamples, over patients and seeds, in which it has the best mean.
    """

    row: str
    patients: int
    mean: float | None
    interval: Interval | None
    partner: str | None
    test: RowTest | None
    first: float | None

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells over patients and seeds as a reader sees them, in the order of COLUMNS."""
        if self.mean is None:
            return (self.row, "not finished", *("-" for _ in COLUMNS[2:]))
        first = "-" if self.first is None else f"{self.first:.0%}"
        mean = f"{self.mean:.3f}{between(self.interval, self.patients)}"
        if self.test is None:
            return (self.row, mean, *("-" for _ in COLUMNS[2:-1]), first)
        tested = (self.test.units_text, self.test.difference_text, self.test.p_value_text)
        return (self.row, mean, self.partner or "-", *tested, first)

    @property
    def patient_texts(self) -> tuple[str, ...]:
        """The cells over patients alone, in the order of PATIENT_COLUMNS."""
        if self.test is None:
            return (self.row, *("-" for _ in PATIENT_COLUMNS[1:]))
        return (self.row, self.partner or "-", *self.test.patient_texts)

    @property
    def seed_texts(self) -> tuple[str, ...]:
        """The cells over seeds alone, in the order of SEED_COLUMNS."""
        if self.test is None:
            return (self.row, *("-" for _ in SEED_COLUMNS[1:]))
        return (self.row, self.partner or "-", *self.test.seed_texts)


@dataclass(frozen=True)
class Comparisons:
    """The rows of a table against their partners: one family of tests.

    Attributes:
        rows: One for each row.
        equal_rows_first: The largest share that one of equal rows has in one of five studies; None
            where no shares are told.
    """

    rows: tuple[RowComparison, ...] = ()
    equal_rows_first: float | None = None

    @property
    def ranked(self) -> tuple[str, ...]:
        """Labels of the rows with a share of first places."""
        return tuple(each.row for each in self.rows if each.first is not None)

    @property
    def family(self) -> tuple[str, ...]:
        """Names of the comparisons that were made."""
        return tuple(f"{each.row} against {each.partner}" for each in self.rows if each.test)

    @property
    def tests(self) -> tuple[RowTest, ...]:
        """Those that were made."""
        return tuple(each.test for each in self.rows if each.test)


def compare_rows(rows: Sequence[ReportRow], results: StudyResults) -> Comparisons:
    """Compare the rows of a table with their partners, and rank them."""
    scores = {row.label: seeds_by_patient(row.trials, results) for row in rows}
    means = {label: _finite(table.mean(axis=1)) for label, table in scores.items()}
    tests = family_tests(planned_pairs(rows, scores))
    ranked = _ranked(scores)
    shares = first_shares(tuple(ranked.values())) if ranked else ()
    first = dict(zip(ranked, map(float, shares), strict=True))
    return Comparisons(
        rows=tuple(
            RowComparison(
                row=row.label,
                patients=len(means[row.label]),
                mean=float(means[row.label].mean()) if len(means[row.label]) else None,
                interval=_score_interval(means[row.label]),
                partner=row.partner,
                test=tests[row.label],
                first=first.get(row.label),
            )
            for row in rows
        ),
        equal_rows_first=equal_rows_share(tuple(ranked.values())) if ranked else None,
    )


def planned_pairs(
    rows: Sequence[ReportRow], scores: Mapping[str, pd.DataFrame]
) -> dict[str, PairedCells | None]:
    """Pair each row with its partner, by the row's label: the family of a table.

    Args:
        scores: DSC by patient and seed, by the row's label.
    """
    return {
        row.label: None
        if row.partner is None
        else pair_cells(scores[row.label], scores[row.partner], DSC_LIMIT)
        for row in rows
    }


def _score_interval(means: Float64[np.ndarray, " n"]) -> Interval | None:
    interval = mean_interval(means)
    return interval.within(0.0, 1.0) if interval else None


def _ranked(scores: Mapping[str, pd.DataFrame]) -> dict[str, Float64[np.ndarray, "_ p"]]:
    """Take the rows that can be ranked, seeds x patients; none where rows saw other patients."""
    done = {label: table for label, table in scores.items() if table.size}
    patients = {tuple(table.index) for table in done.values()}
    if len(done) < 2 or len(patients) > 1:
        return {}
    return {label: table.to_numpy(float).T for label, table in done.items()}


def _finite(values: pd.Series) -> Float64[np.ndarray, " n"]:
    return values.dropna().to_numpy(float)
