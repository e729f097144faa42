"""Does the patient lie in the scan as its header says? The body itself tells.

A header can be turned or mirrored as a whole, scan and labels alike: then they agree with each
other, and every organ lies on the wrong side. But the spine runs along the body, near the back, and
the liver lies on the right, below the lungs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from voxsiam.types import Spacing
from voxsiam.volumes.body_landmarks import BodyLandmarks, Side, body_landmarks

MIN_EXTENT_MM = 150.0
"""Of a scan along each axis, to tell which one is the body's."""

MIN_BONE_SHARE, CLEAR_BONE = 0.6, 1.3
"""Bone of the axis along which the body runs, and over that of the others. docs/checks.md says what
was measured on 56 upright scans."""

MIN_END_SHARE, CLEAR_END = 0.1, 1.5
"""The body leaves the scan at the ends of its axis, as a rule, and not at the others."""

MIN_LENGTH_MM, MAX_SPINE_RIVAL = 80.0, 0.7
"""In thinner slabs ribs and hips stay in place, too."""

MIN_SPINE_OFFSET_MM, MIN_ASIDE_MM = 15.0, 25.0
"""From the middle of the outline to the spine, along h and along w."""

MIN_CORE_ML, CLEAR_CORE, MIN_CORE_OFFSET_MM = 60.0, 3.0, 20.0
"""Even tissue on the side of the liver: so much, so many times the other side's, so far out."""

MIN_LUNG_ML, MIN_ABOVE_MM, MIN_LUNG_OFF_CENTRE, MIN_CORE_OFF_CENTRE = 60.0, 30.0, 0.12, 0.2
"""Lung in view; how far it lies over the even tissue; how far the lung, or where there is none the
liver, lies from the middle of the scan, as a share of its length."""


@dataclass(frozen=True)
class BodyAxes:
    """What the body says about the axes that its header gives it.

    Attributes:
        runs_along: The axis of the body as 0, 1, 2 for d, h, w; None where that is not clear.
        lies_across: Whether the spine lies at a side instead of the back.
        agrees: For d, h, w: whether the lungs or the liver lie up, the spine behind, the liver on
            the right; None where the scan does not tell.
    """

    runs_along: int | None
    lies_across: bool
    agrees: tuple[bool | None, bool | None, bool | None]

    @property
    def doubt(self) -> str:
        """What the body says against its header; empty if nothing."""
        if self.runs_along in (1, 2):
            where = "from back to front" if self.runs_along == 1 else "from left to right"
            return f"by its header the spine runs {where}: its axes are exchanged"
        if self.lies_across:
            return "by its header the spine lies at one side: its axes are exchanged"
        wrong = [axis for axis, agrees in enumerate(self.agrees) if agrees is False]
        signs = " and ".join(_SIGNS[axis] for axis in wrong)
        return f"by its header {signs}: {self._change(wrong)}" if wrong else ""

    def _change(self, wrong: Sequence[int]) -> str:
        if None in self.agrees:
            return "the patient is turned or mirrored"
        if len(wrong) == 2:
            kept = next(axis for axis in range(3) if axis not in wrong)
            return f"the patient is turned by 180 degrees about the {_AXES[kept]} axis"
        return "the patient is mirrored" + ", or it is a situs inversus" * (wrong == [2])


_SIGNS = (
    "the upper end of the body lies down",
    "the spine lies in front",
    "the liver lies on the left",
)
_AXES = ("body's", "front-back", "left-right")


def body_axes(image: Shaped[np.ndarray, "d h w"], spacing_mm: Spacing) -> BodyAxes:
    """Compare the body in a CT, d h w by its header, with these axes.

    docs/checks.md says how often it is right.
    """
    seen = body_landmarks(image, spacing_mm)
    if seen is None:
        return BodyAxes(None, lies_across=False, agrees=(None, None, None))
    return axes_of(seen)


def axes_of(seen: BodyLandmarks) -> BodyAxes:
    """Compare landmarks with the axes in which they were measured."""
    right = _liver_is_right(seen)
    return BodyAxes(
        runs_along=_body_axis(seen),
        lies_across=_lies_across(seen),
        agrees=(_is_upright(seen, has_liver=right is not None), _spine_is_behind(seen), right),
    )


def _body_axis(seen: BodyLandmarks) -> int | None:
    bone, end = seen.bone_share, seen.end_share
    best = int(np.argmax(bone))
    other_bone = max(share for axis, share in enumerate(bone) if axis != best)
    other_end = max(share for axis, share in enumerate(end) if axis != best)
    is_clear = (
        min(seen.extent_mm) >= MIN_EXTENT_MM
        and bone[best] >= max(MIN_BONE_SHARE, CLEAR_BONE * other_bone)
        and end[best] >= max(MIN_END_SHARE, CLEAR_END * other_end)
    )
    return best if is_clear else None


def _shows_spine(seen: BodyLandmarks) -> bool:
    return seen.extent_mm[0] >= MIN_LENGTH_MM and seen.spine_rival <= MAX_SPINE_RIVAL


def _shows_outline(seen: BodyLandmarks) -> bool:
    return all(side.is_skin for side in (*seen.front_back, *seen.left_right))


def _offset_mm(sides: tuple[Side, Side]) -> float:
    """From the middle of the outline to the spine."""
    low, high = sides
    return (low.distance_mm - high.distance_mm) / 2


def _lies_across(seen: BodyLandmarks) -> bool:
    """Tell whether the spine is off the middle along w alone."""
    along_h, along_w = abs(_offset_mm(seen.front_back)), abs(_offset_mm(seen.left_right))
    is_aside = along_w >= max(MIN_ASIDE_MM, 2 * along_h)
    return is_aside and _shows_spine(seen) and _shows_outline(seen)


def _spine_is_behind(seen: BodyLandmarks) -> bool | None:
    """Tell whether the spine is nearer to the back; the skin that it is near must be in view."""
    offset = _offset_mm(seen.front_back)
    back, front = seen.front_back
    nearer = back if offset < 0 else front
    is_clear = abs(offset) >= MIN_SPINE_OFFSET_MM and nearer.is_skin and _shows_spine(seen)
    return offset < 0 if is_clear else None


def _liver_is_right(seen: BodyLandmarks) -> bool | None:
    """Tell the side on which most of the even tissue lies: no other organ is as thick."""
    left, right = seen.core_ml
    is_right = right > left
    offset = seen.core_offset_mm if is_right else -seen.core_offset_mm
    is_much = max(left, right) >= max(MIN_CORE_ML, CLEAR_CORE * min(left, right))
    return is_right if is_much and offset >= MIN_CORE_OFFSET_MM else None


def _is_upright(seen: BodyLandmarks, *, has_liver: bool) -> bool | None:
    """Tell whether lungs lie over what is below them; without lungs, the liver in the upper part.

    A narrow field of view may leave the lungs out: there the liver does not count.
    """
    if seen.extent_mm[0] < MIN_LENGTH_MM:
        return None
    if seen.lung_ml >= MIN_LUNG_ML:
        off_centre = seen.lung_at - 0.5
        above_mm = (seen.lung_at - seen.core_at) * seen.extent_mm[0]
        is_clear = abs(off_centre) >= MIN_LUNG_OFF_CENTRE and abs(above_mm) >= MIN_ABOVE_MM
        return off_centre > 0 if is_clear and (off_centre > 0) == (above_mm > 0) else None
    off_centre = seen.core_at - 0.5
    is_clear = has_liver and _shows_outline(seen) and abs(off_centre) >= MIN_CORE_OFF_CENTRE
    return off_centre > 0 if is_clear else None
