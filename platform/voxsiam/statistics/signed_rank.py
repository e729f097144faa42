"""Wilcoxon's signed-rank test, exact for any number of pairs, ties and pairs without a difference.

Axis: n = pairs.
"""

import numpy as np
from jaxtyping import Float64
from scipy import stats

from voxsiam.statistics.interval import rounded


def signed_rank_p(differences: Float64[np.ndarray, " n"]) -> float:
    """Return the two-sided p-value, from all 2^n assignments of signs (Wilcoxon 1945).

    Pairs without a difference keep their ranks and have no sign (Pratt 1959): leaving them out
    makes ties look clearer. Ties share their ranks. Where no pair differs it is 1.
    """
    settled = rounded(differences)
    # Twice the ranks are whole numbers, shared ones too.
    doubled = np.rint(2 * stats.rankdata(np.abs(settled))).astype(np.int64)[settled != 0]
    positive = int(doubled[settled[settled != 0] > 0].sum())
    total = int(doubled.sum())
    chances = np.ones(1)
    for rank in doubled:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    sums = np.arange(total + 1)
    as_far = np.abs(2 * sums - total) >= abs(2 * positive - total)
    return min(1.0, float(chances[as_far].sum()))


def least_p(pairs: int) -> float:
    """Return the least p-value that so many pairs can give: 2 / 2^n, when all have one sign."""
    return min(1.0, 2.0 ** (1 - pairs))


def rank_biserial(differences: Float64[np.ndarray, " n"]) -> float:
    """Return the matched-pairs rank-biserial correlation (Kerby 2014).

    It runs from -1 (all below) to 1 (all above), and is 0 where no pair differs.
    """
    settled = rounded(differences)
    nonzero = settled[settled != 0]
    if not len(nonzero):
        return 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float((ranks[nonzero > 0].sum() - ranks[nonzero < 0].sum()) / ranks.sum())
