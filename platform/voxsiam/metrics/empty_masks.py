"""What an empty mask does to a score, so that a model never looks better by finding less."""

from dataclasses import dataclass
from typing import Literal

MissedDistance = Literal["left_out", "diagonal"]
"""What HD95 and ASSD of a missed organ are: left out of the mean and counted, or as long as the
diagonal of the grid, the farthest that two of its voxels can lie apart."""


@dataclass(frozen=True)
class EmptyMaskRule:
    """What becomes of one organ of one case.

    Attributes:
        reference: Whether the organ is in the reference.
        prediction: Whether any of it was predicted.
        dsc: Its Dice score in words.
        distances: Its HD95 and ASSD in words.
        counted_as: Where it is counted beside the means.
    """

    reference: Literal["present", "empty"]
    prediction: Literal["present", "empty"]
    dsc: str
    distances: str
    counted_as: str


def empty_mask_policy(missed_distance: MissedDistance = "left_out") -> tuple[EmptyMaskRule, ...]:
    """List the four cases."""
    missed = "left out" if missed_distance == "left_out" else "diagonal of the grid"
    return (
        EmptyMaskRule("present", "present", "0 to 1", "measured", "scored"),
        EmptyMaskRule("present", "empty", "0", missed, "scored, missed"),
        EmptyMaskRule("empty", "present", "0", "left out", "invented"),
        EmptyMaskRule("empty", "empty", "left out", "left out", "-"),
    )


EMPTY_MASK_POLICY = empty_mask_policy()
"""The policy where nothing else is asked for."""
