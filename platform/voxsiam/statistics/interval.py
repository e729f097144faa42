"""Where a mean lies, from a few patients.

The methods were chosen by simulation (docs/statistics.md, `make simulate`). Axis: n = units; their
figures are finite.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy import stats

LEVEL = 0.05
"""Chance that is left to an error: intervals hold in 95 % of studies, tests err in 5 %."""

PATIENTS_WHERE_CASES_FAIL = 200
"""From so many patients on, the interval of a mean holds although 3 to 8 of 100 cases fail."""

_ROUNDING_DIGITS = 12


@dataclass(frozen=True)
class Interval:
    """Where a mean lies with 95 % confidence."""

    low: float
    high: float

    def within(self, low: float, high: float) -> "Interval":
        """Cut off what no mean can be; that costs no coverage."""
        return Interval(max(self.low, low), min(self.high, high))


@lru_cache(maxsize=4096)
def quantile(level: float, freedom: int) -> float:
    """Return what |t| of Student exceeds with a chance of `level`, both ends together."""
    return float(stats.t.isf(level / 2, freedom))


def mean_interval(values: Float64[np.ndarray, " n"]) -> Interval | None:
    """Return the interval of a mean of scores, which are seldom symmetric.

    Equation: mu = mean - sd g^-1(+-t / sqrt(n)), with Hall's transformation for the skewness k
    (Hall 1992, J. R. Stat. Soc. B 54:221), g(u) = u + k u^2 / 3 + k^2 u^3 / 27 + k / (6 n), and
    Student's quantile t of n - 1 degrees of freedom. Without skewness that is Student's interval.

    Returns:
        None below three units, which say nothing of their spread.
    """
    if len(values) < 3:
        return None
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    if is_constant(values):
        return Interval(mean, mean)
    skewness = float(((values - mean) ** 3).mean()) / sd**3
    reach = quantile(LEVEL, len(values) - 1) / len(values) ** 0.5
    low, high = (mean - sd * _straightened(end, skewness, len(values)) for end in (reach, -reach))
    return Interval(low, high)


def difference_interval(
    differences: Float64[np.ndarray, " n"], level: float = LEVEL
) -> Interval | None:
    """Return the interval of a mean of paired differences, which have heavy tails on both sides.

    Equation: Student's, mean +- t(n - 1) sd / sqrt(n); None below two pairs.
    """
    if len(differences) < 2:
        return None
    mean = float(differences.mean())
    if is_constant(differences):
        return Interval(mean, mean)
    spread = float(differences.std(ddof=1)) / len(differences) ** 0.5
    margin = quantile(level, len(differences) - 1) * spread
    return Interval(mean - margin, mean + margin)


def difference_p(differences: Float64[np.ndarray, " n"]) -> float | None:
    """Return the two-sided p-value of Student's test; None below two pairs.

    It is the level at which the interval of the mean ends at 0.
    """
    if len(differences) < 2:
        return None
    settled = rounded(differences)
    mean, spread = float(settled.mean()), float(settled.std(ddof=1)) / len(settled) ** 0.5
    if is_constant(settled):
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / spread, len(settled) - 1))


def too_few_where_cases_fail(patients: int) -> bool:
    """Tell whether a sample is so small that it may not have met the failures that there are."""
    return patients < PATIENTS_WHERE_CASES_FAIL


def is_constant(values: Float64[np.ndarray, "..."]) -> bool:
    """Tell whether all values are alike but for rounding."""
    return not np.ptp(rounded(values))


def rounded(values: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Take rounding errors of sums away: a difference of 1e-17 is none."""
    return np.round(values, _ROUNDING_DIGITS)


def _straightened(end: float, skewness: float, units: int) -> float:
    """Return T at which Hall's transformation reaches `end`."""
    if abs(skewness) < 1e-6:
        return end
    shifted = end - skewness / (6 * units)
    return 3 / skewness * (float(np.cbrt(1 + skewness * shifted)) - 1)
