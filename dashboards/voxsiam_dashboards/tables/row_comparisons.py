"""Is one row better than another? Asked of patients and trainings together, then of each alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from voxsiam.statistics.first_place import equal_rows_share, first_shares
from voxsiam.statistics.interval import Interval, mean_interval
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.tables.group_means import seeds_by_patient
from voxsiam_dashboards.tables.paired_cells import DSC_LIMIT, pair_cells
from voxsiam_dashboards.tables.row_tests import RowTest, family_tests
from voxsiam_dashboards.tables.rows import ReportRow


@dataclass(frozen=True)
class RowComparison:
    """What can be said of one row.

    Attributes:
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


@dataclass(frozen=True)
class Comparisons:
    """The rows of a table against their partners: one family of tests.

    Attributes:
        equal_rows_first: The largest share that one of equal rows has in one of five studies; None
            where no shares are told.
    """

    rows: tuple[RowComparison, ...] = ()
    equal_rows_first: float | None = None

    @property
    def tests(self) -> tuple[RowTest, ...]:
        """Those that were made."""
        return tuple(each.test for each in self.rows if each.test)


def compare_rows(rows: Sequence[ReportRow], results: StudyResults) -> Comparisons:
    """Compare the rows of a table with their partners, and rank them."""
    scores = {row.label: seeds_by_patient(row.trials, results) for row in rows}
    tests = family_tests(
        {
            row.label: pair_cells(scores[row.label], scores[row.partner], DSC_LIMIT)
            if row.partner is not None
            else None
            for row in rows
        }
    )
    ranked = _ranked(scores)
    shares = first_shares(tuple(ranked.values())) if ranked else ()
    first = dict(zip(ranked, map(float, shares), strict=True))
    compared: list[RowComparison] = []
    for row in rows:
        means = scores[row.label].mean(axis=1).dropna().to_numpy(float)
        interval = mean_interval(means)
        compared.append(
            RowComparison(
                row=row.label,
                patients=len(means),
                mean=float(means.mean()) if len(means) else None,
                interval=interval.within(0.0, 1.0) if interval else None,
                partner=row.partner,
                test=tests[row.label],
                first=first.get(row.label),
            )
        )
    yardstick = equal_rows_share(tuple(ranked.values())) if ranked else None
    return Comparisons(tuple(compared), yardstick)


def _ranked(scores: Mapping[str, pd.DataFrame]) -> dict[str, Float64[np.ndarray, "_ p"]]:
    """Take the rows that can be ranked, seeds x patients; none where rows saw other patients."""
    done = {label: table for label, table in scores.items() if table.size}
    patients = {tuple(table.index) for table in done.values()}
    if len(done) < 2 or len(patients) > 1:
        return {}
    return {label: table.to_numpy(float).T for label, table in done.items()}
