"""How well two label maps of one grid agree, organ by organ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from voxsiam.errors import UserError
from voxsiam.metrics.scoring_rules import DistanceConfig, MissedDistance, ScoringRules
from voxsiam.metrics.surface import SurfaceDistances, surface_distances
from voxsiam.types import Box, Shape, Spacing

NAN = float("nan")


@dataclass(frozen=True)
class Distance:
    """HD95 and ASSD in one unit; NaN where they are left out."""

    hd95: float = NAN
    assd: float = NAN


@dataclass(frozen=True)
class Agreement:
    """How well one organ agrees.

    Attributes:
        dsc: NaN where neither map holds the organ.
        distances: One for each spacing.
    """

    dsc: float
    distances: tuple[Distance, ...]
    reference_voxels: int = 0
    predicted_voxels: int = 0

    @property
    def missed(self) -> bool:
        """The reference has the organ, the prediction has none of it."""
        return self.predicted_voxels == 0 < self.reference_voxels


def agreements(
    prediction: UInt8[np.ndarray, "d h w"],
    reference: UInt8[np.ndarray, "d h w"],
    spacings: Sequence[Spacing],
    rules: ScoringRules,
) -> dict[str, Agreement]:
    """Compare every organ that the rules name, each within the box around it."""
    boxes = organ_boxes(prediction, reference, len(rules.classes))
    found: dict[str, Agreement] = {}
    for value, organ in enumerate(rules.classes, start=1):
        if organ not in rules.organs:
            continue
        if value not in boxes:
            found[organ] = nothing(len(spacings))
            continue
        masks = (prediction[boxes[value]] == value, reference[boxes[value]] == value)
        agreement = _agreement(*masks, spacings, rules.distances)
        if agreement.missed:
            penalties = _penalties(reference.shape, spacings, rules.missed_distance)
            agreement = Agreement(0.0, penalties, agreement.reference_voxels)
        found[organ] = agreement
    return found


def nothing(spacings: int) -> Agreement:
    """What two empty masks give."""
    return Agreement(NAN, (Distance(),) * spacings)


def check_labels(
    case_id: str,
    prediction: UInt8[np.ndarray, "_ _ _"],
    reference: UInt8[np.ndarray, "_ _ _"],
    classes: Sequence[str],
) -> None:
    """Refuse label maps of different shapes, or with values beyond the organs."""
    if prediction.shape != reference.shape:
        raise UserError(
            f"the prediction has {prediction.shape} voxels, the reference {reference.shape}",
            where=f"case {case_id}",
            fix="bring both label maps to the same grid (d h w) before scoring",
        )
    for side, labels in (("prediction", prediction), ("reference", reference)):
        largest = int(labels.max(initial=0))
        if largest > len(classes):
            raise UserError(
                f"the {side} holds the label {largest}, but there are {len(classes)} organs",
                where=f"case {case_id}",
                fix="map the labels to 0 for background and 1, 2, ... in the order of the classes",
            )


def organ_boxes(
    prediction: UInt8[np.ndarray, "d h w"], reference: UInt8[np.ndarray, "d h w"], organs: int
) -> dict[int, Box]:
    """Find by label value the smallest box around each organ in both label maps together.

    Eight organs are found in one pass; one that neither map holds has no box.
    """
    boxes: dict[int, Box] = {}
    for first in range(1, organs + 1, 8):
        both = zip(_profiles(prediction, first), _profiles(reference, first), strict=True)
        profiles = [ours | theirs for ours, theirs in both]
        for value in range(first, min(first + 8, organs + 1)):
            planes = [np.flatnonzero(profile & (1 << (value - first))) for profile in profiles]
            if len(planes[0]):
                d, h, w = (slice(int(index[0]), int(index[-1]) + 1) for index in planes)
                boxes[value] = (d, h, w)
    return boxes


def _profiles(labels: UInt8[np.ndarray, "d h w"], first: int) -> list[UInt8[np.ndarray, " n"]]:
    """Say which of eight organs each plane across d, across h and across w holds, one bit each."""
    # Eight organs are eight bits, and a union of bytes is many times faster than eight
    # comparisons. What lies below wraps round to a large shift, which leaves no bit.
    bits = np.left_shift(np.uint8(1), labels - np.uint8(first))
    along_w, along_d = np.bitwise_or.reduce(bits, axis=2), np.bitwise_or.reduce(bits, axis=0)
    return [
        np.bitwise_or.reduce(along_w, axis=1),
        np.bitwise_or.reduce(along_w, axis=0),
        np.bitwise_or.reduce(along_d, axis=0),
    ]


def dice(prediction: Bool[np.ndarray, "d h w"], reference: Bool[np.ndarray, "d h w"]) -> float:
    """Dice score coefficient of two masks, in [0, 1]; NaN when both are empty.

    Equation: DSC = 2 |A and B| / (|A| + |B|), Dice 1945; the paper's section IV-C.
    """
    voxels = np.count_nonzero(prediction) + np.count_nonzero(reference)
    if voxels == 0:
        return NAN
    return 2.0 * np.count_nonzero(prediction & reference) / voxels


def _agreement(
    prediction: Bool[np.ndarray, "d h w"],
    reference: Bool[np.ndarray, "d h w"],
    spacings: Sequence[Spacing],
    config: DistanceConfig,
) -> Agreement:
    measured = surface_distances(prediction, reference, spacings)
    return Agreement(
        dsc=dice(prediction, reference),
        distances=tuple(_distance(one, config) for one in measured),
        reference_voxels=int(np.count_nonzero(reference)),
        predicted_voxels=int(np.count_nonzero(prediction)),
    )


def _distance(measured: SurfaceDistances, config: DistanceConfig) -> Distance:
    return Distance(
        hd95=measured.hd95 if config.hd95 == "pooled" else measured.larger_directed_hd95,
        assd=measured.pooled_assd if config.assd == "pooled" else measured.assd,
    )


def _penalties(
    shape: Shape, spacings: Sequence[Spacing], missed_distance: MissedDistance
) -> tuple[Distance, ...]:
    if missed_distance == "left_out":
        return (Distance(),) * len(spacings)
    lengths = (
        math.hypot(*((n - 1) * step for n, step in zip(shape, spacing, strict=True)))
        for spacing in spacings
    )
    return tuple(Distance(length, length) for length in lengths)
