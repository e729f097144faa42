"""Scores of one case, organ by organ, and their means.

What an empty mask does, so that a model never looks better by finding less:

| reference | prediction | DSC      | HD95, ASSD | counted as      |
|-----------|------------|----------|------------|-----------------|
| present   | present    | 0 to 1   | measured   | scored          |
| present   | empty      | 0        | left out   | scored, missed  |
| empty     | present    | 0        | left out   | invented        |
| empty     | empty      | left out | left out   | -               |
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from voxsiam.errors import UserError
from voxsiam.metrics.overlap import dice
from voxsiam.metrics.surface import GRID, surface_distances
from voxsiam.types import ORGANS, Spacing

MEASURES = ("dsc", "hd95_grid", "assd_grid", "hd95_mm_grid", "assd_mm_grid")
"""What is averaged over cases and organs. `grid`: in grid voxels. `mm_grid`: in mm, on the grid."""


@dataclass(frozen=True)
class OrganScore:
    """How well one organ of one case was found; NaN where a measure is left out.

    Attributes:
        case_id: Name of the case.
        organ: One of ORGANS.
        dsc: Dice score coefficient.
        hd95_grid: 95 % Hausdorff distance in grid voxels.
        assd_grid: Average symmetric surface distance in grid voxels.
        hd95_mm_grid: The same distance in mm, with the spacing of the grid.
        assd_mm_grid: The same distance in mm, with the spacing of the grid.
        reference_voxels: Size of the organ in the reference.
        predicted_voxels: Size of the organ in the prediction.
        missed: The reference has the organ, the prediction has none of it.
    """

    case_id: str
    organ: str
    dsc: float
    hd95_grid: float
    assd_grid: float
    hd95_mm_grid: float
    assd_mm_grid: float
    reference_voxels: int
    predicted_voxels: int
    missed: bool


def score_case(
    case_id: str,
    prediction: UInt8[np.ndarray, "_ _ _"],
    reference: UInt8[np.ndarray, "_ _ _"],
    spacing_mm: Spacing,
) -> list[OrganScore]:
    """Score every organ of one case; both label maps lie on the same d h w grid.

    Returns:
        One score for each of ORGANS, in that order.
    """
    _check_labels(case_id, prediction, reference)
    return [
        _score_organ((case_id, organ), prediction == value, reference == value, spacing_mm)
        for value, organ in enumerate(ORGANS, start=1)
    ]


def summarise(scores: Iterable[OrganScore]) -> dict[str, float]:
    """Average scores as the paper does: over cases for each organ, then over organs.

    Returns:
        `dsc`, `dsc/<organ>`, the four mean distances, and the counts `missed_organs`,
        `scored_organs` (present in the reference) and `invented_organs` (predicted where the
        reference has none). A mean with nothing to average is NaN.
    """
    scores = list(scores)
    organ_dsc = {f"dsc/{organ}": value for organ, value in _organ_means(scores, "dsc").items()}
    return {
        **{measure: _mean(_organ_means(scores, measure).values()) for measure in MEASURES},
        **organ_dsc,
        "missed_organs": float(sum(score.missed for score in scores)),
        "scored_organs": float(sum(score.reference_voxels > 0 for score in scores)),
        "invented_organs": float(
            sum(score.reference_voxels == 0 < score.predicted_voxels for score in scores)
        ),
    }


def _score_organ(
    name: tuple[str, str],
    prediction: Bool[np.ndarray, "d h w"],
    reference: Bool[np.ndarray, "d h w"],
    spacing_mm: Spacing,
) -> OrganScore:
    grid, mm = surface_distances(prediction, reference, [GRID, spacing_mm])
    predicted, present = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    return OrganScore(
        case_id=name[0],
        organ=name[1],
        dsc=dice(prediction, reference),
        hd95_grid=grid.hd95,
        assd_grid=grid.assd,
        hd95_mm_grid=mm.hd95,
        assd_mm_grid=mm.assd,
        reference_voxels=present,
        predicted_voxels=predicted,
        missed=present > 0 and predicted == 0,
    )


def _organ_means(scores: Sequence[OrganScore], measure: str) -> dict[str, float]:
    return {
        organ: _mean(getattr(score, measure) for score in scores if score.organ == organ)
        for organ in ORGANS
    }


def _mean(values: Iterable[float]) -> float:
    present = [value for value in values if not np.isnan(value)]
    return float(np.mean(present)) if present else float("nan")


def _check_labels(case_id: str, prediction: np.ndarray, reference: np.ndarray) -> None:
    if prediction.shape != reference.shape:
        raise UserError(
            f"the prediction has {prediction.shape} voxels, the reference {reference.shape}",
            where=f"case {case_id}",
            fix="bring both label maps to the same grid (d h w) before scoring",
        )
    for side, labels in (("prediction", prediction), ("reference", reference)):
        largest = int(labels.max(initial=0))
        if largest > len(ORGANS):
            raise UserError(
                f"the {side} holds the label {largest}, but there are {len(ORGANS)} organs",
                where=f"case {case_id}",
                fix="map the labels to 0 for background and 1..8 in the order of ORGANS",
            )
