"""What is scored, what an empty mask costs, and which of two readings a distance has."""

from dataclasses import dataclass
from typing import Literal

from pydantic import field_validator

from voxsiam.errors import nearest_name
from voxsiam.types import ORGANS, Frozen

MissedDistance = Literal["left_out", "diagonal"]
"""What HD95 and ASSD of a missed organ are: left out of the mean and counted, or as long as the
diagonal of the grid, the farthest that two of its voxels can lie apart."""


class DistanceConfig(Frozen):
    """Which HD95 and which ASSD is meant (docs/metrics.md).

    Attributes:
        hd95: The 95th percentile of both directed sets in one pool (medpy), or the larger of the
            two directed percentiles (MONAI, surface-distance).
        assd: The mean of the two directed means (medpy), or the mean of both sets in one pool
            (MONAI, surface-distance).
    """

    hd95: Literal["pooled", "larger_directed"] = "pooled"
    assd: Literal["mean_of_directed", "pooled"] = "mean_of_directed"


class ScoringRules(Frozen):
    """Which organs are scored, how a missed one counts, and what a distance is (docs/metrics.md).

    Attributes:
        organs: The others are left out: neither scored nor missed nor invented. For data sets
            that lack an organ altogether.
    """

    organs: tuple[str, ...] = ORGANS
    missed_distance: MissedDistance = "left_out"
    distances: DistanceConfig = DistanceConfig()

    @field_validator("organs")
    @classmethod
    def _known(cls, organs: tuple[str, ...]) -> tuple[str, ...]:
        for organ in organs:
            if organ not in ORGANS:
                raise ValueError(f"there is no organ '{organ}': {nearest_name(organ, ORGANS)}")
        if not organs:
            raise ValueError("name at least one organ")
        return tuple(organ for organ in ORGANS if organ in organs)


DEFAULT_RULES = ScoringRules()


@dataclass(frozen=True)
class EmptyMaskRule:
    """What becomes of one organ of one case: its scores in words, and where it is counted."""

    reference: Literal["present", "empty"]
    prediction: Literal["present", "empty"]
    dsc: str
    distances: str
    counted_as: str


def empty_mask_policy(missed_distance: MissedDistance = "left_out") -> tuple[EmptyMaskRule, ...]:
    """List what an empty mask does to a score, so that no model looks better by finding less."""
    missed = "left out" if missed_distance == "left_out" else "diagonal of the grid"
    return (
        EmptyMaskRule("present", "present", "0 to 1", "measured", "scored"),
        EmptyMaskRule("present", "empty", "0", missed, "scored, missed"),
        EmptyMaskRule("empty", "present", "0", "left out", "invented"),
        EmptyMaskRule("empty", "empty", "left out", "left out", "-"),
    )
