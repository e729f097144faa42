"""What is scored, what an empty mask costs, and which of two readings a distance has."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator

from voxsiam.errors import nearest_name
from voxsiam.types import PAPER_ORGANS, Frozen

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
        classes: What the label values stand for, from 1.
        organs: Those of them that are scored, all where it is not said. The others are left out:
            neither scored nor missed nor invented. For data sets that lack an organ altogether.
    """

    classes: tuple[str, ...] = PAPER_ORGANS
    organs: tuple[str, ...] = Field(default_factory=lambda data: data.get("classes", PAPER_ORGANS))
    missed_distance: MissedDistance = "left_out"
    distances: DistanceConfig = DistanceConfig()

    @field_validator("organs")
    @classmethod
    def _known(
        cls,
        organs: tuple[str, ...],
        # Pydantic's ValidationInfo, a protocol that cannot be checked at run time.
        info: Any,  # noqa: ANN401
    ) -> tuple[str, ...]:
        classes = info.data.get("classes", PAPER_ORGANS)
        for organ in organs:
            if organ not in classes:
                raise ValueError(f"there is no organ '{organ}': {nearest_name(organ, classes)}")
        if not organs:
            raise ValueError("name at least one organ")
        return tuple(organ for organ in classes if organ in organs)


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
