"""Means over cases, with what each mean leaves out counted beside it."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from voxsiam.metrics.organ_score import MEASURES, OrganScore
from voxsiam.types import PAPER_ORGANS

Grid = Literal["grid", "native"]


@dataclass(frozen=True)
class Mean:
    """A mean and how many values it is of; NaN of none."""

    value: float
    count: int


@dataclass(frozen=True)
class Counts:
    """What stands beside every mean.

    Missed: the reference has the organ, the prediction has none of it. Invented: the reverse.
    """

    scored: int
    missed: int
    invented: int


@dataclass(frozen=True)
class OrganFigures:
    """One organ over all cases: its means and sample SDs by the names in MEASURES, its counts."""

    organ: str
    means: dict[str, Mean]
    sds: dict[str, float]
    grid: Counts
    native: Counts


def organ_figures(
    scores: Iterable[OrganScore], organs: Sequence[str] = PAPER_ORGANS
) -> list[OrganFigures]:
    """Average each organ over the cases; organs without a score are left out.

    Args:
        organs: The order of the figures; organs that it does not name follow as they come.
    """
    by_organ: dict[str, list[OrganScore]] = {organ: [] for organ in organs}
    for score in scores:
        by_organ.setdefault(score.organ, []).append(score)
    return [
        OrganFigures(
            organ=organ,
            means={m: mean(getattr(score, m) for score in own) for m in MEASURES},
            sds={m: sample_sd(getattr(score, m) for score in own) for m in MEASURES},
            grid=count_organs(own, "grid"),
            native=count_organs(own, "native"),
        )
        for organ, own in by_organ.items()
        if own
    ]


def overall_means(figures: Sequence[OrganFigures]) -> dict[str, Mean]:
    """Average the organs' means, each organ weighing the same, as the paper does."""
    return {m: mean(organ.means[m].value for organ in figures) for m in MEASURES}


def count_organs(scores: Iterable[OrganScore], grid: Grid) -> Counts:
    """Count organs of cases on one of the two grids."""
    sizes = [
        (score.reference_voxels, score.predicted_voxels)
        if grid == "grid"
        else (score.reference_voxels_native, score.predicted_voxels_native)
        for score in scores
    ]
    return Counts(
        scored=sum(reference > 0 for reference, _ in sizes),
        missed=sum(predicted == 0 < reference for reference, predicted in sizes),
        invented=sum(reference == 0 < predicted for reference, predicted in sizes),
    )


def mean(values: Iterable[float]) -> Mean:
    """Average what is not NaN."""
    present = _present(values)
    return Mean(math.fsum(present) / len(present) if present else float("nan"), len(present))


def sample_sd(values: Iterable[float]) -> float:
    """Return the sample standard deviation of what is not NaN; NaN of fewer than two."""
    present = _present(values)
    return statistics.stdev(present) if len(present) > 1 else float("nan")


def _present(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
