"""What is scored, and what a missed organ costs."""

from pydantic import field_validator

from voxsiam.errors import nearest_name
from voxsiam.metrics.empty_masks import MissedDistance
from voxsiam.types import ORGANS, Frozen


class ScoringRules(Frozen):
    """Which organs are scored and how a missed one counts (reading 29 of docs/paper_map.md).

    Attributes:
        organs: The others are left out: neither scored nor missed nor invented. For data sets
            that lack an organ altogether.
        missed_distance: "left_out" (default) or "diagonal", see `empty_masks`.
    """

    organs: tuple[str, ...] = ORGANS
    missed_distance: MissedDistance = "left_out"

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
