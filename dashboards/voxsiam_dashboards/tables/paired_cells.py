"""Two rows' figures of the same patients and seeds: like with like."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from voxsiam.statistics.crossed import filled
from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.tables.group_means import patient_means

DSC_LIMIT = 1.0
"""No two figures of DSC lie further apart."""


@dataclass(frozen=True, eq=False)
class PairedCells:
    """One line for each patient, one column for each seed; both have a figure or neither has.

    Attributes:
        ours: Of the row that is asked about; theirs is set against it.
        most: The largest difference that there can be: 1 of DSC.
    """

    ours: pd.DataFrame
    theirs: pd.DataFrame
    most: float = math.inf

    @property
    def differences(self) -> Float64[np.ndarray, "p s"]:
        """Ours minus theirs; NaN where there is no pair."""
        return (self.ours - self.theirs).to_numpy(float)

    @property
    def means(self) -> tuple[float, float]:
        """Ours and theirs, patients and seeds weighing alike."""
        ours, theirs = (_mean(side.to_numpy(float)) for side in (self.ours, self.theirs))
        return ours, theirs

    @property
    def patients(self) -> dict[str, tuple[float, float]]:
        """Theirs, then ours, by patient, averaged over seeds."""
        pairs = zip(self.theirs.mean(axis=1), self.ours.mean(axis=1), strict=True)
        return dict(zip(map(str, self.ours.index), pairs, strict=True))


def pair_cells(
    ours: pd.DataFrame, theirs: pd.DataFrame, most: float = math.inf
) -> PairedCells | None:
    """Keep the patients and seeds that both rows have; None where no cell is left."""
    ours, theirs = ours.align(theirs, join="inner")
    known = ours.notna() & theirs.notna()
    ours, theirs = (
        side.where(known).dropna(how="all").dropna(axis=1, how="all") for side in (ours, theirs)
    )
    return PairedCells(ours, theirs, most) if ours.size else None


def pair_cases(
    ours: Iterable[TrialResult], theirs: Iterable[TrialResult], measures: Iterable[str]
) -> dict[int, pd.DataFrame]:
    """Set measures of finished runs with equal seeds beside each other, by seed.

    There is one line for each organ of each case that both scored, with `MEASURE_ours` and
    `MEASURE_theirs`.
    """
    names = ["case_id", "organ"]
    columns = [*names, *measures]
    other = {trial.seed: trial.cases for trial in theirs}
    return {
        trial.seed: trial.cases.loc[:, columns].merge(
            other[trial.seed].loc[:, columns], on=names, suffixes=("_ours", "_theirs")
        )
        for trial in ours
        if trial.seed in other
    }


def pair_organs(
    cases: Mapping[int, pd.DataFrame],
    patients: Mapping[str, str],
    measure: str,
    organs: Sequence[str],
) -> PairedCells | None:
    """Pair a measure patient by patient, organ by organ and seed by seed.

    What one row has no figure for, in one seed, counts in neither row, in that seed.
    """
    columns = [f"{measure}_{side}" for side in ("ours", "theirs")]
    known = {
        seed: both.loc[both["organ"].isin(organs)].dropna(subset=columns)
        for seed, both in cases.items()
    }
    left, right = (
        pd.DataFrame(
            {seed: patient_means(both, patients, column) for seed, both in known.items()},
            dtype=float,
        ).sort_index()
        for column in columns
    )
    return pair_cells(left, right, DSC_LIMIT if measure == "dsc" else math.inf)


def _mean(cells: Float64[np.ndarray, "p s"]) -> float:
    table = filled(cells)
    return float(np.nanmean(cells) if table is None else table.mean())
