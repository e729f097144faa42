"""Is one row better than another? Asked of patients, each averaged over seeds first."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd
from jaxtyping import Float64

from dashboards.results import StudyResults
from dashboards.tables import ReportRow, ReportTable
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


@dataclass(frozen=True)
class RowComparison:
    """What can be said of one row.

    Attributes:
        row: Its label.
        mean: DSC over organs, seeds and patients; None where the row has not finished.
        interval: Of that mean, over patients.
        partner: The row that it is tested against.
        paired: Against that row, on the same patients.
        p_value: Corrected for the number of comparisons of the table.
        first: Share of resamples, over patients and seeds, in which it has the best mean.
    """

    row: str
    mean: float | None
    interval: Interval | None
    partner: str | None
    paired: PairedComparison | None
    p_value: float | None
    first: float | None

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells as a reader sees them, in the order of COLUMNS."""
        paired = self.paired
        if self.mean is None:
            return (self.row, "not finished", *("-" for _ in COLUMNS[2:]))
        first = "-" if self.first is None else f"{self.first:.0%}"
        mean = f"{self.mean:.3f}{_between(self.interval)}"
        if paired is None or not paired.units:
            return (self.row, mean, *("-" for _ in COLUMNS[2:-1]), first)
        return (
            self.row,
            mean,
            self.partner or "-",
            str(paired.units),
            f"{paired.mean_difference:+.3f}{_between(paired.interval, sign='+')}",
            f"{paired.effect:+.2f}",
            "too few patients" if self.p_value is None else _p_text(self.p_value),
            first,
        )


def compare_rows(report: ReportTable) -> tuple[RowComparison, ...]:
    """Compare the rows of a table with their partners, and rank them."""
    scores = {row.label: _seeds_by_patient(row, report.results) for row in report.rows}
    means = {label: table.mean(axis=1) for label, table in scores.items()}
    pairs = {row.label: _paired(row, means) for row in report.rows}
    corrected = holm({label: pair.p_value if pair else None for label, pair in pairs.items()})
    first = _first_shares(scores)
    return tuple(
        RowComparison(
            row=row.label,
            mean=float(means[row.label].mean()) if len(means[row.label]) else None,
            interval=bootstrap_interval(_finite(means[row.label])),
            partner=row.partner,
            paired=pairs[row.label],
            p_value=corrected[row.label],
            first=first.get(row.label),
        )
        for row in report.rows
    )


def comparison_notes(report: ReportTable) -> tuple[str, ...]:
    """Say how the comparisons were made, and what was not tested."""
    seeds = min((row.finished for row in report.rows if row.finished), default=0)
    notes = [
        "Differences are tested on patients, each averaged over organs and seeds first: Wilcoxon's "
        "signed-rank test, two-sided, p-values corrected by Holm for the comparisons of this "
        "table; intervals by the BCa bootstrap; the effect is the rank-biserial correlation. "
        "'First in' is the share of resamples over patients and seeds in which a row has the best "
        "mean: the paper's single figures have no such share."
    ]
    if seeds and smallest_p(seeds) > LEVEL:
        notes.append(
            f"Seeds are not tested: with {seeds} a row the least possible p-value is "
            f"{smallest_p(seeds):.2g}. What is said of patients holds for these trainings."
        )
    return tuple(notes)


def _seeds_by_patient(row: ReportRow, results: StudyResults) -> pd.DataFrame:
    """Mean DSC over organs: one line for each patient, one column for each finished seed."""
    named = results.plan.get("patients")
    patients: Mapping[str, str] = named if isinstance(named, dict) else {}
    columns = {
        trial.seed: _patient_means(trial.cases, patients) for trial in row.trials if trial.finished
    }
    return pd.DataFrame(columns).sort_index()


def _patient_means(cases: pd.DataFrame, patients: Mapping[str, str]) -> dict[str, float]:
    """Average over the organs of a case, then over the cases of a patient."""
    of_case: dict[str, list[float]] = defaultdict(list)
    for case_id, dsc in zip(cases["case_id"], cases["dsc"], strict=True):
        if math.isfinite(dsc):
            of_case[case_id].append(dsc)
    of_patient: dict[str, list[float]] = defaultdict(list)
    for case_id, values in of_case.items():
        of_patient[patients.get(case_id, case_id)].append(fmean(values))
    return {patient: fmean(values) for patient, values in of_patient.items()}


def _paired(row: ReportRow, means: Mapping[str, pd.Series]) -> PairedComparison | None:
    if row.partner is None or not len(means[row.label]) or not len(means[row.partner]):
        return None
    ours, theirs = means[row.label].align(means[row.partner], join="inner")
    return compare_paired(ours.to_numpy(float), theirs.to_numpy(float))


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


def _between(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return ""
    return f" [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
