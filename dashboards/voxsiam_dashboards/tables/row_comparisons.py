"""Is one row better than another? Asked of patients, each averaged over seeds first, and of seeds.

The two questions are kept apart. Patients tell whether these trainings differ; seeds tell whether
another training would differ too, and few of them cannot tell anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd
from jaxtyping import Float64

from voxsiam.metrics.statistics import (
    LEVEL,
    Interval,
    PairedComparison,
    bootstrap_interval,
    compare_paired,
    holm,
    rank_shares,
    smallest_p,
)
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.tables.patient_scores import seeds_by_patient
from voxsiam_dashboards.tables.rows import ReportRow

COLUMNS = (
    "Row",
    "DSC [95 % over patients]",
    "against",
    "Patients",
    "Difference in DSC [95 %]",
    "Effect (-1 to 1)",
    "p (Wilcoxon, Holm)",
    "First in",
)
SEED_COLUMNS = (
    "Row",
    "against",
    "Seeds of both",
    "Difference in DSC [95 % over seeds]",
    "Effect (-1 to 1)",
    "p (Wilcoxon, Holm)",
)
DIFFERENCE_COLUMN, SEED_DIFFERENCE_COLUMN = 4, 3


@dataclass(frozen=True)
class Tested:
    """A row against its partner, in one kind of unit.

    Attributes:
        paired: On the patients, or the seeds, that both have.
        p_value: Corrected for the number of such comparisons of the table; None where the units
            are too few for any test.
    """

    paired: PairedComparison
    p_value: float | None

    @property
    def holds(self) -> bool:
        """Tell whether the test supports the difference."""
        return self.p_value is not None and self.p_value <= LEVEL

    def texts(self, units: str) -> tuple[str, str, str, str]:
        """Units, difference, effect and p-value as a reader sees them."""
        paired, p_value = self.paired, self.p_value
        return (
            str(paired.units),
            f"{paired.mean_difference:+.3f}{between(paired.interval, sign='+')}",
            f"{paired.effect:+.2f}",
            f"too few {units}" if p_value is None else p_text(p_value),
        )


@dataclass(frozen=True)
class RowComparison:
    """What can be said of one row.

    Attributes:
        row: Its label.
        mean: DSC over organs, seeds and patients; None where the row has not finished.
        interval: Of that mean, over patients.
        partner: The row that it is tested against.
        over_patients: Against that row, each patient averaged over seeds.
        over_seeds: Against that row, each seed averaged over patients.
        first: Share of resamples, over patients and seeds, in which it has the best mean.
    """

    row: str
    mean: float | None
    interval: Interval | None
    partner: str | None
    over_patients: Tested | None
    over_seeds: Tested | None
    first: float | None

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells over patients as a reader sees them, in the order of COLUMNS."""
        if self.mean is None:
            return (self.row, "not finished", *("-" for _ in COLUMNS[2:]))
        first = "-" if self.first is None else f"{self.first:.0%}"
        mean = f"{self.mean:.3f}{between(self.interval)}"
        if self.over_patients is None:
            return (self.row, mean, *("-" for _ in COLUMNS[2:-1]), first)
        tested = self.over_patients.texts("patients")
        return (self.row, mean, self.partner or "-", *tested, first)

    @property
    def seed_texts(self) -> tuple[str, ...]:
        """The cells over seeds, in the order of SEED_COLUMNS."""
        if self.over_seeds is None:
            return (self.row, *("-" for _ in SEED_COLUMNS[1:]))
        return (self.row, self.partner or "-", *self.over_seeds.texts("seeds"))


def compare_rows(rows: Sequence[ReportRow], results: StudyResults) -> tuple[RowComparison, ...]:
    """Compare the rows of a table with their partners, and rank them."""
    scores = {row.label: seeds_by_patient(row.trials, results) for row in rows}
    means = {label: table.mean(axis=1) for label, table in scores.items()}
    over_patients = _tested({row.label: _over_patients(row, means) for row in rows})
    by_seed = {row.label: _over_seeds(row, scores) for row in rows}
    over_seeds = _tested(by_seed, family=sum(pair is not None for pair in by_seed.values()))
    first = _first_shares(scores)
    return tuple(
        RowComparison(
            row=row.label,
            mean=float(means[row.label].mean()) if len(means[row.label]) else None,
            interval=bootstrap_interval(_finite(means[row.label])),
            partner=row.partner,
            over_patients=over_patients[row.label],
            over_seeds=over_seeds[row.label],
            first=first.get(row.label),
        )
        for row in rows
    )


def comparison_notes(comparisons: Sequence[RowComparison]) -> tuple[str, ...]:
    """Say how the comparisons over patients were made."""
    if not comparisons:
        return ()
    return (
        "Differences are tested on patients, each averaged over organs and seeds first: Wilcoxon's "
        "signed-rank test, two-sided, p-values corrected by Holm for the comparisons of this "
        "table; intervals by the BCa bootstrap; the effect is the rank-biserial correlation. "
        "'First in' is the share of resamples over patients and seeds in which a row has the best "
        "mean: the paper's single figures have no such share. "
        f"A difference is bold where the corrected p-value is at most {LEVEL}; what is said of "
        "patients holds for these trainings.",
    )


def seed_notes(comparisons: Sequence[RowComparison]) -> tuple[str, ...]:
    """Say how the comparisons over seeds were made, or why there is no test."""
    found = [each.over_seeds.paired.units for each in comparisons if each.over_seeds]
    notes = (
        "Whether another training would differ too is asked of seeds: each is averaged over the "
        "patients that both rows have, and equal seeds of both rows make a pair.",
    )
    if not found or _decides(min(found), len(found)):
        return notes
    needed = next(units for units in count(1) if _decides(units, len(found)))
    refusal = (
        f"Seeds are too few to be tested: with {min(found)} a row and {len(found)} comparisons the "
        f"least possible corrected p-value is {min(1.0, len(found) * smallest_p(min(found))):.2g}. "
        f"A test needs {needed} (--seeds {needed})."
    )
    return (*notes, refusal)


def between(interval: Interval | None, sign: str = "") -> str:
    """Write an interval behind its mean; nothing where there is none."""
    if interval is None:
        return ""
    return f" [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def p_text(p_value: float) -> str:
    """Write a p-value."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _decides(units: int, family: int) -> bool:
    """Tell whether so many pairs can reach the level: Holm multiplies the least p by the family."""
    return family * smallest_p(units) <= LEVEL


def _tested(
    pairs: Mapping[str, PairedComparison | None], family: int = 1
) -> dict[str, Tested | None]:
    """Correct the tests of one kind of unit for their number; too few units make no test.

    Args:
        pairs: By the row.
        family: Comparisons for which the units must suffice together.
    """
    decidable = {
        label: pair.p_value if pair and _decides(pair.units, family) else None
        for label, pair in pairs.items()
    }
    corrected = holm(decidable)
    return {
        label: Tested(pair, corrected[label]) if pair else None for label, pair in pairs.items()
    }


def _over_patients(row: ReportRow, means: Mapping[str, pd.Series]) -> PairedComparison | None:
    if row.partner is None:
        return None
    return _paired(means[row.label], means[row.partner])


def _over_seeds(row: ReportRow, scores: Mapping[str, pd.DataFrame]) -> PairedComparison | None:
    """Pair equal seeds, each averaged over the patients that both rows have."""
    if row.partner is None:
        return None
    ours, theirs = scores[row.label].align(scores[row.partner], join="inner")
    return _paired(ours.mean(axis=0), theirs.mean(axis=0))


def _paired(ours: pd.Series, theirs: pd.Series) -> PairedComparison | None:
    ours, theirs = ours.align(theirs, join="inner")
    found = compare_paired(ours.to_numpy(float), theirs.to_numpy(float))
    return found if found.units else None


def _first_shares(scores: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Tell how often each row comes first; nothing where rows saw other patients."""
    done = {label: table for label, table in scores.items() if table.size}
    patients = {tuple(table.index) for table in done.values()}
    if len(done) < 2 or len(patients) > 1:
        return {}
    shares = rank_shares([table.to_numpy(float).T for table in done.values()])
    return dict(zip(done, shares[:, 0].tolist(), strict=True))


def _finite(values: pd.Series) -> Float64[np.ndarray, " n"]:
    return values.dropna().to_numpy(float)
