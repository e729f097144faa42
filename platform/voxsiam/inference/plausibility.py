"""Could a body hold what was predicted? What no patient has is said, not hidden."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from voxsiam.types import Spacing, organ_words
from voxsiam.volumes.label_flip import left_of_liver_mm, sides_are_swapped
from voxsiam.volumes.organ_volumes import PLAUSIBLE_ML, RANGE_SOURCE

MAX_PIECES = 100
"""Of an organ on the training grid; true ones have a handful."""


def implausible(
    label: UInt8[np.ndarray, "d h w"], spacing_mm: Spacing, organ_ml: Mapping[str, float]
) -> Iterator[str]:
    """Say what is odd about a predicted label map, one line for each kind of oddity.

    Args:
        label: 0 background, 1.. organs, on the training grid.
        organ_ml: Volumes of all classes on the scan's own voxels, in the order of their values.
    """
    if not any(organ_ml.values()):
        yield "no organ was found"
        return
    organs = tuple(organ_ml)
    boxes = dict(zip(organs, ndimage.find_objects(label, len(organs)), strict=True))
    cut = {
        organ
        for organ, box in boxes.items()
        if box and any(p.start == 0 or p.stop == n for p, n in zip(box, label.shape, strict=True))
    }
    odd = [
        f"{organ_words(organ)} {_ml(ml)} ml (usual {low:g} to {high:,g})"
        for organ, ml in organ_ml.items()
        if organ in PLAUSIBLE_ML
        for low, high in (PLAUSIBLE_ML[organ],)
        if ml > high or (0 < ml < low and organ not in cut)
    ]
    if odd:
        yield f"unusual volumes: {', '.join(odd)}; usual: {RANGE_SOURCE}"
    pieces = {
        organ: _pieces(label[box] == value)
        for value, (organ, box) in enumerate(boxes.items(), start=1)
        if box
    }
    shattered = [
        f"{organ_words(organ)} {count}" for organ, count in pieces.items() if count > MAX_PIECES
    ]
    if shattered:
        yield f"organs in many pieces: {', '.join(shattered)}; an organ is one piece"
    if sides_are_swapped(distances := left_of_liver_mm(label, spacing_mm, organs)):
        listed = " and ".join(organ_words(organ) for organ in distances)
        yield f"left and right look exchanged: the {listed} on the right of the liver"


def _pieces(mask: Bool[np.ndarray, "d h w"]) -> int:
    pieces = np.empty(mask.shape, np.int32)
    ndimage.label(mask, np.ones((3, 3, 3)), output=pieces)
    return int(pieces.max())


def _ml(volume_ml: float) -> str:
    return f"{volume_ml:,.0f}" if volume_ml >= 100 else f"{volume_ml:.3g}"
