"""Do the labels look like organs: which are there, how large, in how many pieces."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from voxsiam.types import Box, organ_words
from voxsiam.volumes.organ_volumes import IMPOSSIBLE_ML, PLAUSIBLE_ML
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.finding import Finding

MIN_PIECE_ML, MIN_PIECE_SHARE, LARGE_PIECES_ML = 0.5, 0.01, 5.0
"""Pieces beside the largest are specks of the pen below half a millilitre, or where together they
are less than a hundredth of the organ and less than 5 ml."""

_TUBES = ("esophagus",)
"""Leave the scan at its upper end as a rule."""


@dataclass(frozen=True)
class OrganFacts:
    """One organ of a label map.

    Attributes:
        volume_ml: Of all its voxels.
        pieces_ml: Of each of its connected pieces (26 neighbours), the largest first.
        is_cut: Whether it touches an end of the scan, so that part of it may be missing.
        second_slice: An axial slice through the second largest piece.
    """

    organ: str
    volume_ml: float
    pieces_ml: tuple[float, ...]
    is_cut: bool
    second_slice: int | None = None


def organ_facts(voxels: CaseVoxels) -> tuple[OrganFacts, ...]:
    """Measure every organ that a label map holds."""
    if voxels.label is None:
        return ()
    boxes = ndimage.find_objects(voxels.label, len(voxels.organs))
    voxel_ml = float(np.prod(voxels.spacing_mm)) / 1000
    return tuple(
        _measured(voxels.label, value, voxels.organs[value - 1], box, voxel_ml)
        for value, box in enumerate(boxes, start=1)
        if box is not None
    )


def check_labels(voxels: CaseVoxels, facts: tuple[OrganFacts, ...]) -> Iterator[Finding]:
    """Say which organs are missing, cut, of an odd size or in pieces."""
    if voxels.label is None:
        return
    present = {one.organ for one in facts}
    looked_for = [voxels.organs[value - 1] for value in voxels.annotated]
    missing = [organ for organ in looked_for if organ not in present]
    if missing:
        yield Finding(
            "labels",
            "note",
            f"No voxel of {', '.join(map(organ_words, missing))}.",
            "nothing, if it was removed or is out of view; it counts as absent, not as missed",
        )
    cut = [one.organ for one in facts if one.is_cut and one.organ not in _TUBES]
    if cut:
        what = f"Cut off by an end of the scan: {', '.join(map(organ_words, cut))}."
        yield Finding("labels", "note", what, "nothing, if the scan ends there")
    for one in facts:
        yield from _check_size(one)
        yield from _check_pieces(one)


def check_impossible_sizes(voxels: CaseVoxels) -> Iterator[Finding]:
    """Refuse what no patient has; counted on a sample, so that preparation can afford it.

    Only organs whose limit is known can be refused.
    """
    if voxels.label is None:
        return
    sample = voxels.sampled(voxels.label)
    counts = np.bincount(sample.ravel(), minlength=len(voxels.organs) + 1)
    sample_ml = float(np.prod(voxels.spacing_mm) * np.prod(voxels.sample_steps)) / 1000
    for organ, count in zip(voxels.organs, counts[1:].tolist(), strict=True):
        if count * sample_ml > IMPOSSIBLE_ML.get(organ, math.inf):
            what = f"The {organ_words(organ)} measures {count * sample_ml:.0f} ml."
            fix = "correct the spacing of the scan, or its label"
            yield Finding("labels", "refuse", what, fix)


def _measured(
    label: UInt8[np.ndarray, "d h w"], value: int, organ: str, box: Box, voxel_ml: float
) -> OrganFacts:
    inside = np.ascontiguousarray(label[box] == value)
    pieces = np.zeros(inside.shape, np.int32)
    ndimage.label(inside, np.ones((3, 3, 3)), output=pieces)
    sizes = np.bincount(pieces.ravel())[1:]
    largest_first = np.argsort(-sizes, kind="stable")
    second_slice = None
    if len(sizes) > 1:
        along_d = np.count_nonzero(pieces == largest_first[1] + 1, axis=(1, 2))
        second_slice = int(np.argmax(along_d)) + box[0].start
    return OrganFacts(
        organ=organ,
        volume_ml=float(sizes.sum()) * voxel_ml,
        pieces_ml=tuple((sizes[largest_first] * voxel_ml).tolist()),
        is_cut=any(p.start == 0 or p.stop == n for p, n in zip(box, label.shape, strict=True)),
        second_slice=second_slice,
    )


def _check_size(one: OrganFacts) -> Iterator[Finding]:
    if one.organ not in PLAUSIBLE_ML:
        return
    low, high = PLAUSIBLE_ML[one.organ]
    too_small = one.volume_ml < low and not one.is_cut
    if too_small or high < one.volume_ml <= IMPOSSIBLE_ML[one.organ]:
        yield Finding(
            "labels",
            "note",
            f"The {organ_words(one.organ)} measures {one.volume_ml:.3g} ml; "
            f"{low:g} to {high:g} ml are usual.",
            "look at its outlines and at the spacing of the scan",
        )


def _check_pieces(one: OrganFacts) -> Iterator[Finding]:
    others = one.pieces_ml[1:]
    large = [piece for piece in others if piece >= MIN_PIECE_ML]
    if large and sum(others) > min(MIN_PIECE_SHARE * one.volume_ml, LARGE_PIECES_ML):
        yield Finding(
            "labels",
            "note",
            f"The {organ_words(one.organ)} is in {1 + len(large)} pieces; all but the largest hold "
            f"{sum(others):.2g} of {one.volume_ml:.3g} ml.",
            "look at its outlines: is a piece another organ?",
            slice_index=one.second_slice,
        )
