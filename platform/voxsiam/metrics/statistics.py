"""What the figures of a study allow to be said: intervals, paired tests, ranks.

The unit is the patient: a patient's figure is averaged over seeds before anything is compared.
Seeds are another matter; few of them cannot decide anything, and that is said instead of tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy import stats

RESAMPLES = 9999
LEVEL = 0.05


@dataclass(frozen=True)
class Interval:
    """Where a mean lies with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """One row of a table against another, on the same patients (or the same seeds).

    Attributes:
        units: Pairs that both rows have.
        mean_difference: First minus second.
        interval: Of it; None below three pairs.
        p_value: Two-sided Wilcoxon signed-rank test; None where it could not reach the level.
        effect: Matched-pairs rank-biserial correlation, from -1 (all below) to 1 (all above).
    """

    units: int
    mean_difference: float
    interval: Interval | None
    p_value: float | None
    effect: float


def bootstrap_interval(values: Float64[np.ndarray, " n"], seed: int = 0) -> Interval | None:
    """Return the bias-corrected and accelerated bootstrap interval of a mean (Efron 1987).

    Args:
        values: One for each unit, finite.
        seed: Names the resamples.

    Returns:
        None below three units, which say nothing of their spread.
    """
    if len(values) < 3:
        return None
    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]))
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=1 - LEVEL,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return Interval(float(low), float(high))


def smallest_p(units: int) -> float:
    """Return the least p-value that a two-sided signed-rank test of so many pairs can give.

    Equation: 2 / 2^n, when all differences have one sign.
    """
    return min(1.0, 2.0 ** (1 - units))


def compare_paired(
    first: Float64[np.ndarray, " n"], second: Float64[np.ndarray, " n"]
) -> PairedComparison:
    """Compare two rows on the same units; pairs with a figure missing are left out.

    Args:
        first: One figure for each unit; NaN where there is none.
        second: The same units in the same order.
    """
    both = np.isfinite(first) & np.isfinite(second)
    difference = first[both] - second[both]
    if not len(difference):
        return PairedComparison(0, float("nan"), None, None, 0.0)
    decidable = smallest_p(int(np.count_nonzero(difference))) <= LEVEL
    return PairedComparison(
        units=len(difference),
        mean_difference=float(difference.mean()),
        interval=bootstrap_interval(difference),
        p_value=_signed_rank_p(difference) if decidable or not difference.any() else None,
        effect=_rank_biserial(difference),
    )


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Correct the p-values of a family of tests for their number (Holm 1979).

    Args:
        p_values: By the name of the comparison; None for a test that was not made, which does
            not count.
    """
    from statsmodels.stats.multitest import multipletests

    made = {name: p for name, p in p_values.items() if p is not None}
    if not made:
        return dict(p_values)
    corrected = np.asarray(multipletests(list(made.values()), method="holm")[1])
    by_name = dict(zip(made, corrected.tolist(), strict=True))
    return {name: by_name.get(name) for name in p_values}


def rank_shares(
    scores: Sequence[Float64[np.ndarray, "_ patients"]], resamples: int = 2000, seed: int = 0
) -> Float64[np.ndarray, "rows ranks"]:
    """Tell how often each row would take each rank with other patients and other seeds.

    Patients are drawn with replacement, the same for all rows; seeds are drawn for each row by
    itself. The rank is that of the mean; of equal means the first row leads.

    Args:
        scores: For each row its figures, larger is better; the patients are the same.
        resamples: Draws.
        seed: Names them.

    Returns:
        Shares of the draws; rows and columns both add up to 1.
    """
    rng = np.random.default_rng(seed)
    counts: Int64[np.ndarray, "rows ranks"] = np.zeros((len(scores), len(scores)), dtype=np.int64)
    num_patients = scores[0].shape[1]
    for _ in range(resamples):
        patients = rng.integers(0, num_patients, num_patients)
        means = [
            np.nanmean(row[rng.integers(0, len(row), len(row))][:, patients]) for row in scores
        ]
        order = np.argsort(-np.array(means), kind="stable")
        counts[order, np.arange(len(scores))] += 1
    return counts / resamples


def _signed_rank_p(difference: Float64[np.ndarray, " n"]) -> float:
    if not difference.any():
        return 1.0
    # Pratt keeps pairs without a difference in the ranking: dropping them makes ties look clearer.
    found = stats.wilcoxon(difference, zero_method="pratt")
    return float(found.pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def _rank_biserial(difference: Float64[np.ndarray, " n"]) -> float:
    nonzero = difference[difference != 0]
    if not len(nonzero):
        return 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float((ranks[nonzero > 0].sum() - ranks[nonzero < 0].sum()) / ranks.sum())
