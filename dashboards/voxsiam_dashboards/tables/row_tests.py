"""A row against another: with other patients and other trainings, and with either alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from voxsiam.statistics.crossed import crossed_mean
from voxsiam.statistics.family import holm
from voxsiam.statistics.interval import LEVEL, Interval, difference_interval, difference_p
from voxsiam.statistics.signed_rank import least_p, rank_biserial, signed_rank_p
from voxsiam_dashboards.tables.interval_text import FEW, between, p_text
from voxsiam_dashboards.tables.paired_cells import PairedCells

UNDECIDABLE = "cannot be told"
TOO_FEW = "too few patients"


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
        patients: That both have.
        seeds: That both have.
        ours: Mean of the row, over what both have.
        theirs: Mean of its partner.
        difference: Ours minus theirs.
        interval: Of it, with other patients and other trainings; all of a family hold together
            in 95 % of studies. None where there is one training, or one patient.
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
        return UNDECIDABLE if self.p_value is None else p_text(self.p_value)

    @property
    def patient_texts(self) -> tuple[str, str, str, str]:
        """Patients, difference, effect and p-value, over patients alone."""
        detail = self.over_patients
        told = TOO_FEW if detail.p_value is None else p_text(detail.p_value)
        return (
            str(detail.units), self._difference_in(detail.interval), f"{self.effect:+.2f}", told,
        )  # fmt: skip

    @property
    def seed_texts(self) -> tuple[str, str, str]:
        """Seeds, difference and p-value, over seeds alone."""
        detail = self.over_seeds
        told = UNDECIDABLE if detail.p_value is None else p_text(detail.p_value)
        # Where these very patients are asked, failures that were not met do not matter: no mark.
        return (str(detail.units), self._difference_in(detail.interval).rstrip(FEW), told)

    def _difference_in(self, interval: Interval | None) -> str:
        return f"{self.difference:+.3f}{between(interval, self.patients, sign='+')}"


def family_tests(pairs: Mapping[str, PairedCells | None]) -> dict[str, RowTest | None]:
    """Test pairs of rows that are read together; p-values and intervals pay for their number.

    Args:
        pairs: By the name of the comparison; None where there is nothing to compare.
    """
    made = {name: cells for name, cells in pairs.items() if cells is not None}
    differences = {name: cells.differences for name, cells in made.items()}
    crossed = {name: crossed_mean(cells) for name, cells in differences.items()}
    both = holm({name: mean.p_value if mean else None for name, mean in crossed.items()})
    patients = {name: np.nanmean(cells, axis=1) for name, cells in differences.items()}
    seeds = {name: np.nanmean(cells, axis=0) for name, cells in differences.items()}
    over_patients = holm({name: _patient_p(each, len(made)) for name, each in patients.items()})
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


def could_decide(patients: int, family: int) -> bool:
    """Tell whether so many patients can reach the level: Holm multiplies the least p-value."""
    return family * least_p(patients) <= LEVEL


def _patient_p(differences: Float64[np.ndarray, " n"], family: int) -> float | None:
    """Test over patients, unless no outcome could reach the level."""
    return signed_rank_p(differences) if could_decide(len(differences), family) else None


def _detail(
    units: Float64[np.ndarray, " n"], level: float, p_value: float | None, most: float
) -> Detail:
    interval = None if p_value is None else difference_interval(units, level)
    return Detail(len(units), _limited(interval, most), p_value)


def _limited(interval: Interval | None, most: float) -> Interval | None:
    return interval.within(-most, most) if interval else None
