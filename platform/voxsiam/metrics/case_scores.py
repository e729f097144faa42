"""Scores of one case, organ by organ, and their means.

What an empty mask does stands in `scoring_rules.empty_mask_policy`; what is left out of a mean is
counted beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from voxsiam.metrics.agreement import Agreement, agreements, check_labels, nothing
from voxsiam.metrics.organ_means import count_organs, organ_figures, overall_means
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import DEFAULT_RULES, ScoringRules
from voxsiam.metrics.surface import GRID
from voxsiam.types import PAPER_ORGANS, Spacing


@dataclass(frozen=True)
class NativePair:
    """A prediction and its reference on the scan's own grid: 0 background, 1.. organs."""

    prediction: UInt8[np.ndarray, "d h w"]
    reference: UInt8[np.ndarray, "d h w"]
    spacing_mm: Spacing


def score_case(
    case_id: str,
    prediction: UInt8[np.ndarray, "_ _ _"],
    reference: UInt8[np.ndarray, "_ _ _"],
    spacing_mm: Spacing,
    native: NativePair | None = None,
    rules: ScoringRules = DEFAULT_RULES,
) -> list[OrganScore]:
    """Score each of the rules' organs of one case, in the order of their classes.

    Args:
        prediction: On the training grid d h w, as the reference; 0 background, 1.. organs.
        spacing_mm: Size of a grid voxel along d, h, w.
        native: The same case on the scan's own grid; without it those measures are NaN.
    """
    check_labels(case_id, prediction, reference, rules.classes)
    on_grid = agreements(prediction, reference, (GRID, spacing_mm), rules)
    return _organ_scores(case_id, on_grid, _native(case_id, native, rules))


def score_native(
    case_id: str, native: NativePair, rules: ScoringRules = DEFAULT_RULES
) -> list[OrganScore]:
    """Score every organ of one case on the scan's own grid alone; the grid's measures are NaN."""
    return _organ_scores(case_id, {}, _native(case_id, native, rules))


def summarise(
    scores: Iterable[OrganScore], organs: Sequence[str] = PAPER_ORGANS
) -> dict[str, float]:
    """Average scores as the paper does: over cases for each organ, then over organs.

    Args:
        organs: Are told whether they have a score or not.

    Returns:
        The means by the names in MEASURES, `dsc/<organ>`, and the counts `missed_organs`,
        `scored_organs` (present in the reference) and `invented_organs` (predicted where the
        reference has none), each again as `..._native`. A mean of nothing is NaN.
    """
    scores = list(scores)
    figures = organ_figures(scores, organs)
    organ_dsc = dict.fromkeys(organs, float("nan"))
    organ_dsc |= {figure.organ: figure.means["dsc"].value for figure in figures}
    grid, native = count_organs(scores, "grid"), count_organs(scores, "native")
    return {
        **{measure: mean.value for measure, mean in overall_means(figures).items()},
        **{f"dsc/{organ}": dsc for organ, dsc in organ_dsc.items()},
        "missed_organs": float(grid.missed),
        "scored_organs": float(grid.scored),
        "invented_organs": float(grid.invented),
        "missed_organs_native": float(native.missed),
        "scored_organs_native": float(native.scored),
        "invented_organs_native": float(native.invented),
    }


def _native(case_id: str, pair: NativePair | None, rules: ScoringRules) -> dict[str, Agreement]:
    if pair is None:
        return {organ: nothing(1) for organ in rules.organs}
    check_labels(f"{case_id}, native grid", pair.prediction, pair.reference, rules.classes)
    return agreements(pair.prediction, pair.reference, (pair.spacing_mm,), rules)


def _organ_scores(
    case_id: str, on_grid: Mapping[str, Agreement], native: Mapping[str, Agreement]
) -> list[OrganScore]:
    scores: list[OrganScore] = []
    for organ, there in native.items():
        here = on_grid.get(organ, nothing(2))
        in_voxels, in_mm = here.distances
        (native_mm,) = there.distances
        score = OrganScore(
            case_id=case_id,
            organ=organ,
            dsc=here.dsc,
            hd95_grid=in_voxels.hd95,
            assd_grid=in_voxels.assd,
            hd95_mm_grid=in_mm.hd95,
            assd_mm_grid=in_mm.assd,
            reference_voxels=here.reference_voxels,
            predicted_voxels=here.predicted_voxels,
            missed=here.missed,
            dsc_native=there.dsc,
            hd95_mm_native=native_mm.hd95,
            assd_mm_native=native_mm.assd,
            reference_voxels_native=there.reference_voxels,
            predicted_voxels_native=there.predicted_voxels,
            missed_native=there.missed,
        )
        scores.append(score)
    return scores
