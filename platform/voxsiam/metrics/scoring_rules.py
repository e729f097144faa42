"""What is scored, and what a missed organ costs."""

from pydantic import field_validator

from voxsiam.errors import nearest_name
from voxsiam.metrics.distance_config import DistanceConfig
from voxsiam.metrics.empty_masks import MissedDistance
from voxsiam.types import ORGANS, Frozen


class ScoringRules(Frozen):
    """Which organs are scored, how a missed one counts, and what a distance is (docs/metrics.md).

    Attributes:
        organs: The others are left out: neither scored nor missed nor invented. For data sets
            that lack an organ altogether.
        missed_distance: "left_out" (default) or "diagonal", see `empty_masks`.
        distances: Which HD95 and ASSD.
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
