"""Do the slices of a series form one regular volume, and where does it lie?

DICOM measures in mm from right to left, front to back and feet to head (LPS); NIfTI's first two
axes run the other way (RAS).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from voxsiam.errors import refusal
from voxsiam.volumes.nifti_geometry import MAX_SPACING_MM, MIN_SPACING_MM

MAX_DIRECTION_DRIFT = 1e-3
"""Between the direction cosines of slices, and from length 1 and right angles."""

MAX_TILT = 0.01
"""Sideways shift of a slice by its distance: 0.6 degrees. Gantries tilt by whole degrees."""

MAX_STEP_DRIFT = 0.05
"""Part of the slice distance by which a step may differ from the others."""

ROUNDED_MM = 0.11
"""Between the positions farthest to either side of the best line: the first decimal, and a bit."""

_RAS_OF_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class SlicePlane:
    """Where one slice lies.

    Attributes:
        shape: Rows and columns.
        position_mm: Centre of its first pixel, in LPS.
        directions: Unit vectors along a row and along a column, in LPS.
        spacing_mm: Distance of rows, then of columns.
    """

    path: Path
    shape: tuple[int, int]
    position_mm: Float64[np.ndarray, "3"]
    directions: Float64[np.ndarray, "2 3"]
    spacing_mm: Float64[np.ndarray, "2"]


def sorted_planes(folder: Path, planes: Sequence[SlicePlane]) -> list[SlicePlane]:
    """Order slices along their normal; refuse those of no regular, upright volume without gaps."""
    _check_equal(planes)
    _check_directions(planes[0])
    across = np.cross(*planes[0].directions)
    ordered = sorted(planes, key=lambda plane: float(plane.position_mm @ across))
    steps = np.diff([plane.position_mm for plane in ordered], axis=0)
    _check_tilt(folder, steps, across)
    _check_steps(ordered, steps @ across)
    return ordered


def series_affine(planes: Sequence[SlicePlane]) -> Float64[np.ndarray, "4 4"]:
    """Return the matrix from (column, row, slice) indices of sorted slices to mm in RAS."""
    first, last = planes[0], planes[-1]
    affine = np.eye(4)
    affine[:3, 0] = first.directions[0] * first.spacing_mm[1]
    affine[:3, 1] = first.directions[1] * first.spacing_mm[0]
    affine[:3, 2] = (last.position_mm - first.position_mm) / (len(planes) - 1)
    affine[:3, 3] = first.position_mm
    affine[:3] *= _RAS_OF_LPS[:, None]
    return affine


def _check_equal(planes: Sequence[SlicePlane]) -> None:
    first = planes[0]
    for plane in planes:
        same = (
            plane.shape == first.shape
            and np.allclose(plane.spacing_mm, first.spacing_mm, rtol=MAX_DIRECTION_DRIFT, atol=0)
            and np.allclose(plane.directions, first.directions, rtol=0, atol=MAX_DIRECTION_DRIFT)
        )
        if not same:
            what = f"It differs from {first.path.name} in size, pixel spacing or orientation."
            raise refusal(plane.path, what, "give the slices of one reconstruction only")


def _check_directions(plane: SlicePlane) -> None:
    products = plane.directions @ plane.directions.T
    if not np.allclose(products, np.eye(2), rtol=0, atol=MAX_DIRECTION_DRIFT):
        what = "Its rows and columns do not stand at right angles."
        raise refusal(plane.path, what, "export it again")
    if not ((plane.spacing_mm >= MIN_SPACING_MM) & (plane.spacing_mm <= MAX_SPACING_MM)).all():
        listed = " x ".join(f"{s:g}" for s in plane.spacing_mm)
        fix = f"export it again: each must lie in {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm"
        raise refusal(plane.path, f"Its pixels measure {listed} mm.", fix)


def _check_tilt(folder: Path, steps: np.ndarray, across: np.ndarray) -> None:
    # From first to last: single steps are rounded in the file.
    way = steps.sum(axis=0)
    along = float(way @ across)
    aside = float(np.linalg.norm(way - along * across))
    if aside > MAX_TILT * along > 0:
        degrees = np.degrees(np.arctan2(aside, along))
        what = f"Its slices are shifted sideways by {degrees:.1f} degrees (gantry tilt)."
        fix = "resample it to an upright grid first, for example with dcm2niix"
        raise refusal(folder, what, fix)


def _check_steps(ordered: Sequence[SlicePlane], forward: np.ndarray) -> None:
    neighbours = list(zip(pairwise(ordered), forward.tolist(), strict=True))
    for (before, after), step in neighbours:
        if step < MIN_SPACING_MM:
            raise refusal(
                after.path,
                f"It lies where {before.path.name} lies: slices are doubled, or the series holds "
                "several phases or reconstructions.",
                "leave one file of each position",
            )
    usual = float(np.median(forward))
    if _is_straight(forward):
        return
    for (before, after), step in neighbours:
        if abs(step - usual) > MAX_STEP_DRIFT * usual:
            there = f"{step:.4g} mm from {before.path.name}, elsewhere {usual:.4g} mm"
            what = f"{_gap(step / usual)}: {there}."
            raise refusal(after.path, what, "copy or export the whole series again")


def _is_straight(forward: np.ndarray) -> bool:
    """Tell whether positions lie on a straight line over their numbers, but for rounding.

    A missing slice shifts one part against the other by a slice, and the best line takes up half.
    """
    places = np.concatenate([[0.0], np.cumsum(forward)])
    numbers = np.arange(len(places))
    step, start = np.polyfit(numbers, places, 1)
    apart = places - (start + step * numbers)
    return bool(np.ptp(apart) <= min(ROUNDED_MM, step / 4))


def _gap(steps: float) -> str:
    whole = round(steps)
    if whole < 2 or abs(steps - whole) > MAX_STEP_DRIFT:
        return "The distance of slices changes"
    return "1 slice is missing" if whole == 2 else f"{whole - 1} slices are missing"
