"""Axis legend and the few types that every package shares.

Axes: b cases of a batch, c channels, k classes, n voxels, f feature dimensions;
d h w the grid axes. Arrays are always d h w in the patient's frame:
d runs inferior -> superior, h posterior -> anterior, w left -> right (NIfTI's RAS, reversed).
Spacing and shapes stand in the same order. The paper writes H x W x D.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict

PAPER_ORGANS = (
    "spleen",
    "left_kidney",
    "gallbladder",
    "esophagus",
    "liver",
    "stomach",
    "pancreas",
    "duodenum",
)
"""The paper's eight organs in its order: the classes of a data set that names no others.

Whatever the classes are, organ i of them has label value i + 1, and the background is 0."""

MOST_ORGANS = 254
"""Labels are bytes, and 255 means no class."""

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]
"""A part of a scan along d, h, w: start (included) and stop (excluded) of each axis."""

CropBox = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""The same as plain numbers: (start, stop) in voxels of three axes, counted from 0.

For a case that is still to be read these are the axes of its image file, i j k."""


class Frozen(BaseModel):
    """Validated data that never changes: unknown fields and what is no number are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Volume:
    """One prepared case on the training grid.

    Attributes:
        image: Intensities as prepared: in [0, 1], or standard scores where that was asked for.
        label: 0 background, 1.. organs.
        spacing_mm: Size of a grid voxel along d, h, w; it differs from case to case.
        annotated: Organs that the annotator looked for; the others may lie in the background.
        organs: All classes of its data set, in the order of their values.
    """

    case_id: str
    image: Float[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"]
    spacing_mm: Spacing
    annotated: tuple[str, ...]
    organs: tuple[str, ...]


@dataclass(frozen=True)
class NativeReference:
    """What a prediction is compared with at the scan's own resolution.

    Attributes:
        label: 0 background, 1.. organs, on the whole scan.
        spacing_mm: Voxel size of the scan along d, h, w.
        placement_box: The part of the scan that was stretched to the training grid.
    """

    label: UInt8[np.ndarray, "d h w"]
    spacing_mm: Spacing
    placement_box: Box


class Split(Frozen):
    """Which cases a run may see, and when.

    Attributes:
        train: Cases that give gradients.
        validation: Cases that give per-epoch scores; no gradient, and never a test case.
        test: Cases read once, at a run's end.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...]

    def disjoint(self) -> bool:
        """Tell whether no case stands on two sides."""
        sides: Sequence[str] = (*self.train, *self.validation, *self.test)
        return len(set(sides)) == len(sides)


def organ_words(organ: str) -> str:
    """Name of an organ inside of a sentence: left_kidney becomes left kidney."""
    return organ.replace("_", " ")


def organ_title(organ: str) -> str:
    """Name of an organ that stands alone: left_kidney becomes Left kidney."""
    return organ_words(organ).capitalize()
