"""How often a table calls equal rows different, and how often it finds a difference that is there.

Run: .venv/bin/python platform/simulations/tables.py --draws 10000
Ends with 1 where the error exceeds 6 %, or where the power falls below 60 %.

Figures of a row are: patient + training + patient's own part in the row + rest. A z test that knows
the true variances is the yardstick of power: the difference is what it finds in 95 % of studies.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from bounds import Share, print_table, told
from jaxtyping import Float64
from scipy import stats

from voxsiam.statistics.crossed import crossed_mean
from voxsiam.statistics.interval import LEVEL
from voxsiam.statistics.signed_rank import signed_rank_p

DRAWS = 10_000
ROWS, PATIENTS, SEEDS = (2, 3, 12), (6, 20), (2, 5, 10)
SEED_SPREADS = (0.0, 0.0025, 0.005, 0.01)
MOST_ERROR, LEAST_POWER, FOUND_BY_Z = 0.06, 0.60, 0.95


@dataclass(frozen=True)
class Spread:
    """Standard deviations of DSC beside that of the trainings.

    Attributes:
        name: In words.
        own: Of a patient's own part in a row.
        rest: Of what neither patient nor training explains.
    """

    name: str
    own: float
    rest: float


SPREADS = (Spread("rest 0.02", 0.0, 0.02), Spread("own 0.008, rest 0.01", 0.008, 0.01))


@dataclass(frozen=True)
class Setting:
    """A table: so many rows, patients, trainings of a row, and their spread."""

    rows: int
    patients: int
    seeds: int
    seed_spread: float
    spread: Spread

    @property
    def words(self) -> list[str]:
        """Its cells in a table."""
        numbers = (self.rows, self.patients, self.seeds, self.seed_spread)
        return [*map(str, numbers), self.spread.name]

    @property
    def level(self) -> float:
        """What one comparison may err, so that all of the table err in 5 %."""
        return LEVEL / (self.rows - 1)

    @property
    def standard_error(self) -> float:
        """Of the difference of two rows' means."""
        parts = (
            self.seed_spread**2 / self.seeds,
            self.spread.own**2 / self.patients,
            self.spread.rest**2 / (self.patients * self.seeds),
        )
        return (2 * sum(parts)) ** 0.5

    @property
    def difference(self) -> float:
        """What a z test with the true variances finds in 95 % of studies."""
        z = stats.norm.isf(self.level / 2) + stats.norm.ppf(FOUND_BY_Z)
        return float(z) * self.standard_error


def draw_rows(
    rng: np.random.Generator, setting: Setting
) -> Float64[np.ndarray, "rows patients seeds"]:
    """Draw equal rows; what all share of a patient cancels in every difference."""
    rows, patients, seeds = setting.rows, setting.patients, setting.seeds
    return (
        rng.normal(0, setting.spread.own, (rows, patients, 1))
        + rng.normal(0, setting.seed_spread, (rows, 1, seeds))
        + rng.normal(0, setting.spread.rest, (rows, patients, seeds))
    )


def stands(cells: Float64[np.ndarray, "patients seeds"], level: float) -> bool:
    """Tell whether the product's test supports a difference."""
    mean = crossed_mean(cells)
    interval = mean.interval(level) if mean else None
    return interval is not None and not interval.low <= 0 <= interval.high


def stands_over_patients(cells: Float64[np.ndarray, "patients seeds"], level: float) -> bool:
    """Tell whether the test of version 0.1.0 does: Wilcoxon's, over patients alone."""
    return signed_rank_p(cells.mean(axis=1)) <= level


def error(setting: Setting, draws: int) -> tuple[float, float]:
    """Return the share of studies of equal rows with a bold row: ours, then the earlier test's.

    Holm's first step decides whether there is any: the least p-value against the level of one.
    """
    rng = np.random.default_rng(0)
    ours = before = 0
    before_draws = max(1, draws // 5)
    for number in range(draws):
        rows = draw_rows(rng, setting)
        differences = rows[1:] - rows[0]
        ours += any(stands(cells, setting.level) for cells in differences)
        if number < before_draws:
            before += any(stands_over_patients(cells, setting.level) for cells in differences)
    return ours / draws, before / before_draws


def power(setting: Setting, draws: int) -> float:
    """Return the share of studies in which ours finds what a z test finds in 95 %."""
    rng = np.random.default_rng(0)
    pair = Setting(2, setting.patients, setting.seeds, setting.seed_spread, setting.spread)
    found = 0
    for _ in range(draws):
        first, second = draw_rows(rng, pair)
        found += stands(second - first + setting.difference, setting.level)
    return found / draws


def settings(rows: tuple[int, ...]) -> Iterator[Setting]:
    """Go through all tables with so many rows."""
    for spread, *numbers in product(SPREADS, rows, PATIENTS, SEEDS, SEED_SPREADS):
        count, patients, seeds, seed_spread = numbers
        yield Setting(int(count), int(patients), int(seeds), float(seed_spread), spread)


def draw_model(
    rng: np.random.Generator, patients: int, seeds: int
) -> Float64[np.ndarray, "patients seeds"]:
    """Draw a row as the model has it."""
    setting = Setting(1, patients, seeds, 0.005, SPREADS[1])
    return draw_rows(rng, setting)[0]


def draw_heavy(
    rng: np.random.Generator, patients: int, seeds: int
) -> Float64[np.ndarray, "patients seeds"]:
    """Every part has heavy tails: t of 3."""
    return (
        0.008 * rng.standard_t(3, (patients, 1))
        + 0.005 * rng.standard_t(3, seeds)
        + 0.01 * rng.standard_t(3, (patients, seeds))
    )


def draw_failing(
    rng: np.random.Generator, patients: int, seeds: int
) -> Float64[np.ndarray, "patients seeds"]:
    """A training fails on one patient of 20."""
    failed = rng.random((patients, seeds)) < 0.05
    return draw_model(rng, patients, seeds) - np.where(failed, 0.7, 0.0)


def draw_bad_trainings(
    rng: np.random.Generator, patients: int, seeds: int
) -> Float64[np.ndarray, "patients seeds"]:
    """One training of ten goes wrong as a whole."""
    return draw_model(rng, patients, seeds) - np.where(rng.random(seeds) < 0.1, 0.1, 0.0)


def draw_with_holes(
    rng: np.random.Generator, patients: int, seeds: int
) -> Float64[np.ndarray, "patients seeds"]:
    """A fifth of the cells has no figure, as of distances of missed organs."""
    missing = rng.random((patients, seeds)) < 0.2
    return np.where(missing, np.nan, draw_model(rng, patients, seeds))


AWAY = {
    "heavy tails (t of 3)": draw_heavy,
    "5 % of cells fail": draw_failing,
    "a tenth of trainings fails": draw_bad_trainings,
    "a fifth of cells missing": draw_with_holes,
}
"""Two equal rows that are not as the model has them."""


def error_away(name: str, patients: int, seeds: int, draws: int) -> float:
    """Return the share of studies in which two such rows are called different."""
    rng = np.random.default_rng(0)
    draw = AWAY[name]
    pairs = (draw(rng, patients, seeds) - draw(rng, patients, seeds) for _ in range(draws))
    return sum(stands(cells, LEVEL) for cells in pairs) / draws


def main(draws: int) -> str:
    """Print the tables; return what left its bounds."""
    header = ["rows", "patients", "seeds", "spread of trainings", "other spread"]
    shares, lines = [], []
    for setting in settings(ROWS):
        ours, before = error(setting, draws)
        lines.append([*setting.words, f"{ours:.3f}", f"{before:.3f}"])
        words = ", ".join(setting.words)
        shares.append(Share(f"error, {words}", ours, draws, high=MOST_ERROR))
    print(f"Share of {draws} studies of equal rows in which a row is called different:\n")
    print_table([*header, "ours", "before"], lines)
    lines = []
    for setting in settings((2, 3)):
        if setting.patients != max(PATIENTS):
            continue
        found = power(setting, draws)
        lines.append([*setting.words, f"{setting.difference:.4f}", f"{found:.3f}"])
        if setting.seeds == 5:
            words = ", ".join(setting.words)
            shares.append(Share(f"power, {words}", found, draws, low=LEAST_POWER))
    print("Share of studies that find a difference which a z test with the true variances finds in")
    print(f"{FOUND_BY_Z:.0%}:\n")
    print_table([*header, "difference", "found"], lines)
    lines = []
    for name, patients, seeds in product(AWAY, PATIENTS, SEEDS):
        ours = error_away(name, patients, seeds, draws)
        lines.append([name, str(patients), str(seeds), f"{ours:.3f}"])
        words = f"error, {name}, {patients} patients, {seeds} seeds"
        shares.append(Share(words, ours, draws, high=MOST_ERROR))
    print("Share of studies of two equal rows, away from the model, in which they are called")
    print("different:\n")
    print_table(["rows", "patients", "seeds", "ours"], lines)
    return told(shares)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="studies for each line")
    sys.exit(main(parser.parse_args().draws) or 0)
