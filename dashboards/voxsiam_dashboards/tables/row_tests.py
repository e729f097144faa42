"""A row against another: with other patients and other trainings, and with either alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from voxsiam.statistics.crossed import crossed_mean
from voxsiam.statistics.family import holm
from voxsiam.statistics.interval import (
    LEVEL,
    Interval,
    difference_interval,
    difference_p,
    too_few_where_cases_fail,
)
from voxsiam.statistics.signed_rank import least_p, rank_biserial, signed_rank_p
from voxsiam_dashboards.tables.paired_cells import PairedCells

UNDECIDABLE = "cannot be told"
TOO_FEW = "too few patients"
FEW = "*"
"""Stands behind an interval of so few patients that failures may not have been met."""


@dataclass(frozen=True)
class Detail:
    """The same difference, asked of one kind of unit while the other stays as it is.

    Attributes:
        units: Patients, or seeds.
        interval: Of the difference, with other such units.
        p_value: Corrected for the family; None where the units could not reach the level, and
            then there is no interval either.
    """

    units: int
    interval: Interval | None
    p_value: float | None


@dataclass(frozen=True)
class RowTest:
    """A row against its partner.

    Attributes:
        patients: That both have; `seeds` likewise.
        ours: Mean of the row, over what both have.
        theirs: Mean of its partner.
        interval: Of the difference, with other patients and other trainings; all of a family hold
            together in 95 % of studies. None where there is one training, or one patient.
        p_value: Corrected by Holm for the family; None likewise.
        over_patients: With other patients and these trainings; Wilcoxon's signed-rank test.
        over_seeds: With other trainings and these patients; Student's test.
        effect: Matched-pairs rank-biserial correlation over patients, from -1 to 1.
        by_patient: Theirs, then ours, averaged over seeds.
    """

    patients: int
    seeds: int
    ours: float
    theirs: float
    difference: float
    interval: Interval | None
    p_value: float | None
    over_patients: Detail
    over_seeds: Detail
    effect: float
    by_patient: Mapping[str, tuple[float, float]]

    @property
    def holds(self) -> bool:
        """Tell whether the difference stands against both kinds of chance."""
        return self.p_value is not None and self.p_value <= LEVEL

    @property
    def units_text(self) -> str:
        """Patients and seeds."""
        return f"{self.patients} x {self.seeds}"

    @property
    def difference_text(self) -> str:
        """The difference and its interval."""
        return self._difference_in(self.interval)

    @property
    def p_value_text(self) -> str:
        """The p-value of the main test."""
        return _p_text(self.p_value)

    @property
    def patient_texts(self) -> tuple[str, str, str, str]:
        """Patients, difference, effect and p-value, over patients alone."""
        detail = self.over_patients
        difference, p_value = self._difference_in(detail.interval), detail.p_value
        return str(detail.units), difference, f"{self.effect:+.2f}", _p_text(p_value, TOO_FEW)

    @property
    def seed_texts(self) -> tuple[str, str, str]:
        """Seeds, difference and p-value, over seeds alone."""
        detail = self.over_seeds
        # Where these very patients are asked, failures that were not met do not matter: no mark.
        difference = self._difference_in(detail.interval).rstrip(FEW)
        return str(detail.units), difference, _p_text(detail.p_value)

    def _difference_in(self, interval: Interval | None) -> str:
        return f"{self.difference:+.3f}{between(interval, self.patients, sign='+')}"


def family_tests(pairs: Mapping[str, PairedCells | None]) -> dict[str, RowTest | None]:
    """Test pairs of rows that are read together; p-values and intervals pay for their number.

    A pair is None where there is nothing to compare.
    """
    made = {name: cells for name, cells in pairs.items() if cells is not None}
    differences = {name: cells.differences for name, cells in made.items()}
    crossed = {name: crossed_mean(cells) for name, cells in differences.items()}
    both = holm({name: mean.p_value if mean else None for name, mean in crossed.items()})
    patients = {name: np.nanmean(cells, axis=1) for name, cells in differences.items()}
    seeds = {name: np.nanmean(cells, axis=0) for name, cells in differences.items()}
    over_patients = holm(
        {
            name: signed_rank_p(each) if could_decide(len(each), len(made)) else None
            for name, each in patients.items()
        }
    )
    over_seeds = holm({name: difference_p(each) for name, each in seeds.items()})
    level = LEVEL / max(1, len(made))
    found: dict[str, RowTest | None] = dict.fromkeys(pairs)
    for name, cells in made.items():
        mean, (ours, theirs) = crossed[name], cells.means
        found[name] = RowTest(
            patients=len(patients[name]),
            seeds=len(seeds[name]),
            ours=ours,
            theirs=theirs,
            difference=ours - theirs,
            interval=_limited(mean.interval(level) if mean else None, cells.most),
            p_value=both[name],
            over_patients=_detail(patients[name], level, over_patients[name], cells.most),
            over_seeds=_detail(seeds[name], level, over_seeds[name], cells.most),
            effect=rank_biserial(patients[name]),
            by_patient=cells.patients,
        )
    return found


def between(interval: Interval | None, patients: int, sign: str = "") -> str:
    """Write an interval behind its mean over patients; nothing where there is none."""
    if interval is None:
        return ""
    mark = FEW if too_few_where_cases_fail(patients) else ""
    return f" [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]{mark}"


def could_decide(patients: int, family: int) -> bool:
    """Tell whether so many patients can reach the level: Holm multiplies the least p-value."""
    return family * least_p(patients) <= LEVEL


def _p_text(p_value: float | None, unknown: str = UNDECIDABLE) -> str:
    if p_value is None:
        return unknown
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _detail(
    units: Float64[np.ndarray, " n"], level: float, p_value: float | None, most: float
) -> Detail:
    interval = None if p_value is None else difference_interval(units, level)
    return Detail(len(units), _limited(interval, most), p_value)


def _limited(interval: Interval | None, most: float) -> Interval | None:
    return interval.within(-most, most) if interval else None
