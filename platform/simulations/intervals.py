"""How often the interval of a mean covers it: ours beside Student's and the bootstrap's.

Run: .venv/bin/python platform/simulations/intervals.py --draws 4000
Ends with 1 where an interval that is said to hold does not.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from bounds import Share, print_table, told
from jaxtyping import Float64
from scipy import stats

from voxsiam.statistics.interval import (
    PATIENTS_WHERE_CASES_FAIL,
    Interval,
    difference_interval,
    mean_interval,
)

Scores = Float64[np.ndarray, " n"]
SIZES = (6, 12, 20, 50)
DRAWS, RESAMPLES = 4000, 999
METHODS = ("ours", "Student", "percentile", "BCa (before)")
LEVEL, LOW, HIGH = 0.8, 0.93, 0.97


@dataclass(frozen=True)
class Kind:
    """A way in which figures of patients are spread.

    Attributes:
        name: In words.
        draw: Returns so many figures.
        mean: Of all patients that there are.
        interval: The product's, for such figures.
        low: The least coverage that is allowed; 0 where none can hold it.
        high: The most.
    """

    name: str
    draw: Callable[[np.random.Generator, int], Scores]
    mean: float
    interval: Callable[[Scores], Interval | None]
    low: float = LOW
    high: float = HIGH


def failing(share: float) -> Kind:
    """Cases that fail outright: DSC 0 for so many of them."""

    def draw(rng: np.random.Generator, n: int) -> Scores:
        return np.where(rng.random(n) < share, 0.0, rng.normal(LEVEL, 0.05, n))

    return Kind(f"{share:.0%} of cases fail", draw, LEVEL * (1 - share), mean_interval, 0.0, 1.0)


def missing_organs(rng: np.random.Generator, n: int) -> Scores:
    """Means over eight organs, each of which is missed in one of 20 patients."""
    organs = rng.normal(LEVEL, 0.05, (n, 8))
    return np.where(rng.random((n, 8)) < 0.05, 0.0, organs).mean(axis=1)


def both_fail(rng: np.random.Generator, n: int) -> Scores:
    """Differences of two rows that each fail in one of 25 cases."""
    ours, theirs = (np.where(rng.random(n) < 0.04, -LEVEL, 0.0) for _ in range(2))
    return rng.normal(0, 0.02, n) + ours - theirs


def one_fails(rng: np.random.Generator, n: int) -> Scores:
    """Differences of two rows of which one fails in one of 20 cases."""
    return rng.normal(0, 0.02, n) + np.where(rng.random(n) < 0.05, -LEVEL, 0.0)


KINDS = (
    Kind("normal", lambda rng, n: rng.normal(LEVEL, 0.05, n), LEVEL, mean_interval),
    Kind("skewed, Beta(8, 2)", lambda rng, n: rng.beta(8, 2, n), LEVEL, mean_interval),
    Kind("very skewed, Beta(4, 0.7)", lambda rng, n: rng.beta(4, 0.7, n), 4 / 4.7, mean_interval,
         0.92),
    Kind("organs missed, 5 % each", missing_organs, LEVEL * 0.95, mean_interval, 0.90),
    failing(0.03),
    failing(0.05),
    failing(0.08),
    Kind("differences, normal", lambda rng, n: rng.normal(0, 0.02, n), 0.0, difference_interval),
    Kind("differences, t of 3", lambda rng, n: 0.02 * rng.standard_t(3, n), 0.0,
         difference_interval),
    Kind("differences, both rows fail 4 %", both_fail, 0.0, difference_interval, LOW, 1.0),
    Kind("differences, one row fails 5 %", one_fails, -0.05 * LEVEL, difference_interval, 0.0, 1.0),
)  # fmt: skip


def bootstrap(values: Scores, rng: np.random.Generator) -> tuple[Interval, Interval]:
    """Return the percentile and the BCa interval of a mean (Efron 1987)."""
    mean = values.mean()
    means = np.sort(values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1))
    percentile = np.quantile(means, (0.025, 0.975))
    below = ((means < mean).sum() + 0.5 * (means == mean).sum()) / RESAMPLES
    shift = stats.norm.ppf(below)
    apart = mean - values
    acceleration = (apart**3).sum() / (6 * (apart**2).sum() ** 1.5)
    ends = shift + stats.norm.ppf((0.025, 0.975))
    corrected = np.quantile(means, stats.norm.cdf(shift + ends / (1 - acceleration * ends)))
    return Interval(*percentile), Interval(*corrected)


def covers(interval: Interval | None, mean: float) -> bool:
    """Tell whether a mean lies in an interval."""
    return interval is not None and interval.low <= mean <= interval.high


def coverage(kind: Kind, n: int, draws: int) -> dict[str, float]:
    """Return the share of studies in which each interval covers the mean."""
    rng = np.random.default_rng(n)
    hits = dict.fromkeys(METHODS, 0)
    for _ in range(draws):
        values = kind.draw(rng, n)
        percentile, corrected = bootstrap(values, rng)
        found = (kind.interval(values), difference_interval(values), percentile, corrected)
        for name, interval in zip(hits, found, strict=True):
            hits[name] += covers(interval, kind.mean)
    return {name: count / draws for name, count in hits.items()}


def enough_patients(draws: int) -> list[tuple[str, int, float]]:
    """Return the coverage of ours for failing cases, with as many patients as the product asks."""
    found = []
    for share in (0.03, 0.05, 0.08):
        kind = failing(share)
        for n in (100, PATIENTS_WHERE_CASES_FAIL, 2 * PATIENTS_WHERE_CASES_FAIL):
            rng = np.random.default_rng(n)
            covered = sum(covers(mean_interval(kind.draw(rng, n)), kind.mean) for _ in range(draws))
            found.append((kind.name, n, covered / draws))
    return found


def main(draws: int) -> str:
    """Print the tables; return what left its bounds."""
    shares, lines = [], []
    for kind, n in product(KINDS, SIZES):
        found = coverage(kind, n, draws)
        lines.append([kind.name, str(n), *(f"{found[name]:.3f}" for name in METHODS)])
        shares.append(Share(f"{kind.name}, n = {n}", found["ours"], draws, kind.low, kind.high))
    print(f"Share of {draws} studies in which a 95 % interval covers the mean:\n")
    print_table(["scores", "patients", *METHODS], lines)
    lines = []
    for name, n, covered in enough_patients(draws):
        lines.append([name, str(n), f"{covered:.3f}"])
        if n >= PATIENTS_WHERE_CASES_FAIL:
            shares.append(Share(f"{name}, n = {n}", covered, draws, LOW, HIGH))
    print("What it takes where cases fail:\n")
    print_table(["scores", "patients", "ours"], lines)
    return told(shares)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="studies for each line")
    sys.exit(main(parser.parse_args().draws) or 0)
