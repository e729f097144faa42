"""How often a row would come first with other patients and other trainings.

Axes: r = rows, p = patients, s = seeds, k = resamples.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

RESAMPLES = 2000
EQUAL_STUDIES, EQUAL_RESAMPLES = 200, 200

ONE_OF = 5
"""The yardstick is the share that a leader of equal rows has in one of so many studies."""


def first_shares(
    scores: Sequence[Float64[np.ndarray, "_ p"]],
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> Float64[np.ndarray, " r"]:
    """Tell how often each row would have the best mean with other patients and other seeds.

    Patients are drawn with replacement, the same for all rows; seeds are drawn for each row by
    itself. Rows with equal means share the first place.

    Args:
        scores: For each row its figures, seeds x patients, larger is better; the patients are the
            same.

    Returns:
        Shares of the draws; they add up to 1.
    """
    rng = rng or np.random.default_rng(0)
    num_patients = scores[0].shape[1]
    patients = _weights(rng, resamples, num_patients)
    means = [_resampled(row, patients, _weights(rng, resamples, len(row))) for row in scores]
    means = np.round(np.stack(means, axis=1), 12)
    first = means == means.max(axis=1, keepdims=True)
    return (first / first.sum(axis=1, keepdims=True)).mean(axis=0)


def equal_rows_share(scores: Sequence[Float64[np.ndarray, "_ p"]]) -> float:
    """Tell what share the leader of equal rows has in one of five studies like this one.

    The rows are moved to one mean and studies are drawn from them, patients and seeds with
    replacement; the share is the quantile of those studies' largest.
    """
    rng = np.random.default_rng(0)
    level = [row - np.nanmean(row) for row in scores]
    num_patients = level[0].shape[1]
    leaders = []
    for _ in range(EQUAL_STUDIES):
        patients = rng.integers(0, num_patients, num_patients)
        study = [row[rng.integers(0, len(row), len(row))][:, patients] for row in level]
        leaders.append(first_shares(study, EQUAL_RESAMPLES, rng).max())
    return float(np.quantile(leaders, 1 - 1 / ONE_OF))


def _weights(rng: np.random.Generator, resamples: int, units: int) -> Float64[np.ndarray, "k n"]:
    """Count how often each unit is drawn, in each of the resamples."""
    return rng.multinomial(units, np.full(units, 1 / units), resamples).astype(float)


def _resampled(
    row: Float64[np.ndarray, "s p"],
    patients: Float64[np.ndarray, "k p"],
    seeds: Float64[np.ndarray, "k s"],
) -> Float64[np.ndarray, " k"]:
    """Average a row's figures as they were drawn, over those that there are."""
    known = np.isfinite(row)
    sums = ((patients @ np.where(known, row, 0.0).T) * seeds).sum(axis=1)
    if known.all():
        # Every resample draws as many patients and seeds as there are.
        return sums / row.size
    counts = ((patients @ known.T.astype(float)) * seeds).sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(sums), -np.inf), where=counts > 0)
