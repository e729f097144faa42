"""A mean over patients and trainings, both of them samples: crossed random effects.

Axes: p = patients, s = seeds. A cell is what one training gives on one patient; in a comparison it
is the difference of two rows there.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy import optimize

from voxsiam.statistics.interval import LEVEL, Interval, is_constant, quantile, rounded

_LEAST_P = 1e-12
"""Nothing smaller is looked for: such a p-value is told as 0."""


@dataclass(frozen=True)
class CrossedMean:
    """The mean of a table of cells, with what its chance comes from.

    Model: cell = mean + patient + seed + rest, all three random; the mean's variance is the sum of
    their parts. Each is estimated by a mean square of the table, divided by its number of cells.

    Attributes:
        mean: Over all cells, patients and seeds weighing alike.
        of_patients: The patients' part of the mean's variance, with the rest's in it.
        of_seeds: The seeds' part, with the rest's in it.
        of_rest: The rest's part.
    """

    patients: int
    seeds: int
    mean: float
    of_patients: float
    of_seeds: float
    of_rest: float

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return where the mean lies for other patients and other trainings.

        Returns:
            None for one patient or one training: of one no spread is known.
        """
        if self.patients < 2 or self.seeds < 2:
            return None
        margin = self._squared_margin(level) ** 0.5
        return Interval(self.mean - margin, self.mean + margin)

    @property
    def p_value(self) -> float | None:
        """Two-sided: the level at which the interval ends at 0; None where there is no interval."""
        if self.interval() is None:
            return None
        squared = self.mean**2
        if squared == 0:
            return 1.0
        if self._squared_margin(_LEAST_P) <= squared:
            return 0.0
        found = optimize.root_scalar(
            lambda level: self._squared_margin(level) - squared,
            bracket=(_LEAST_P, 1.0),
            xtol=_LEAST_P,
        )
        return float(found.root)

    def _squared_margin(self, level: float) -> float:
        """Return the square of half the interval.

        Equation: max(t_p^2 V_p + t_s^2 max(V_s - V_e, 0), t_s^2 V_s), with the t quantiles of
        p - 1 and s - 1 degrees of freedom. The sum of t^2 V over independent parts of a variance
        never errs too often (Banerjee 1960, Sankhya 22:357); the rest, which is in both parts,
        counts once; the second term keeps two seeds that agree by chance from deciding.
        """
        of_patients = quantile(level, self.patients - 1) ** 2 * self.of_patients
        per_seed = quantile(level, self.seeds - 1) ** 2
        return max(
            of_patients + per_seed * max(self.of_seeds - self.of_rest, 0.0),
            per_seed * self.of_seeds,
        )


def crossed_mean(cells: Float64[np.ndarray, "p s"]) -> CrossedMean | None:
    """Split the spread of a table into what comes from patients, from seeds and from neither.

    Cells that are missing take the value that patients and seeds give without a part of their own,
    and the rest loses a degree of freedom for each (Yates 1933).

    Args:
        cells: NaN where there is none.

    Returns:
        None where no cell is left, or where the cells that are left do not hang together.
    """
    known = np.isfinite(cells)
    cells = cells[known.any(axis=1)][:, known.any(axis=0)]
    if not cells.size:
        return None
    missing = int(np.isnan(cells).sum())
    table = filled(cells) if missing else cells
    if table is None:
        return None
    table = rounded(table)
    num_patients, num_seeds = table.shape
    mean = float(table.mean())
    if is_constant(table):
        return CrossedMean(num_patients, num_seeds, mean, 0.0, 0.0, 0.0)
    patients, seeds = table.mean(axis=1), table.mean(axis=0)
    rest = table - patients[:, None] - seeds + mean
    freedom = (num_patients - 1) * (num_seeds - 1) - missing
    return CrossedMean(
        patients=num_patients,
        seeds=num_seeds,
        mean=mean,
        of_patients=_of_means(patients),
        of_seeds=_of_means(seeds),
        of_rest=float((rest**2).sum()) / freedom / table.size if freedom > 0 else 0.0,
    )


def filled(cells: Float64[np.ndarray, "p s"]) -> Float64[np.ndarray, "p s"] | None:
    """Give missing cells what their patient and their seed have elsewhere, by least squares.

    Returns:
        None where some patients share no seed with the others: then nothing says what is whose.
    """
    if np.isfinite(cells).all():
        # The table of the least squares takes gigabytes of a thousand trainings.
        return np.ascontiguousarray(cells)
    num_patients, num_seeds = cells.shape
    patient, seed = np.nonzero(np.isfinite(cells))
    design = np.zeros((len(patient), num_patients + num_seeds))
    line = np.arange(len(patient))
    design[line, patient] = design[line, num_patients + seed] = 1
    parts, _, rank, _ = np.linalg.lstsq(design, cells[patient, seed], rcond=None)
    if rank < num_patients + num_seeds - 1:
        return None
    return np.where(
        np.isfinite(cells), cells, parts[:num_patients, None] + parts[None, num_patients:]
    )


def _of_means(means: Float64[np.ndarray, " n"]) -> float:
    """Return the variance of the mean of means."""
    return float(means.var(ddof=1)) / len(means) if len(means) > 1 else 0.0
