"""Implicit shapes: functions of body coordinates that give about the depth in mm inside a solid."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from voxsiam_data.phantom.lattice import Array, Point

Points = tuple[Array, Array, Array]
Knots = Float[np.ndarray, "_ 4"]
Path = Sequence[tuple[float, float, float, float]]
"""A course in body coordinates: superior, anterior, right, and the radius, in mm."""
Profile = Float[np.ndarray, " n"]
REACH_MM = 16.0
GROWTH_MM = 14.0


def ellipsoid(points: Points, centre: Point, radii: Point, lean: float = 0.0) -> Array:
    """Return the depth inside an ellipsoid, measured along the ray from its centre.

    Args:
        radii: Half axes in mm.
        lean: Shift to the right per mm of height above the centre.
    """
    rise = points[0] - np.float32(centre[0])
    front = points[1] - np.float32(centre[1])
    side = points[2] - np.float32(centre[2]) - np.float32(lean) * rise
    d, h, w = (np.float32(1 / r**2) for r in radii)
    ratio = np.sqrt(rise**2 * d + front**2 * h + side**2 * w) + np.float32(1e-3)
    length = np.sqrt(rise**2 + front**2 + side**2) + np.float32(1e-3 * min(radii))
    return length / ratio - length


def spline(knots: Path | Knots, per_span: int = 3) -> Knots:
    """Refine a path (superior, anterior, right, radius) by a Catmull-Rom spline."""
    path = np.asarray(knots, dtype=np.float64)
    padded = np.vstack([2 * path[0] - path[1], path, 2 * path[-1] - path[-2]])
    t = np.arange(per_span)[:, None] / per_span
    spans = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        cubic = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        spans.append(p1 + ((p2 - p0) * t + cubic) / 2)
    fine = np.vstack([*spans, path[-1:]])
    fine[:, 3] = np.maximum(fine[:, 3], 0.5)
    return fine


def tube(points: Points, *courses: Knots) -> Array:
    """Return the depth inside tubes around paths of (superior, anterior, right, radius).

    Values are exact down to REACH_MM outside the surface and -99 farther away.
    """
    depth = np.full(points[0].shape, -99.0, dtype=np.float32)
    spans = [_span(p, axis) for axis, p in enumerate(points)]
    for start, end in (span for knots in courses for span in pairwise(knots)):
        reach = max(start[3], end[3]) + REACH_MM
        low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
        box = tuple(_touching(spans[i], low[i], high[i]) for i in range(3))
        part = depth[box]
        if part.size:
            here = (points[0][box], points[1][box], points[2][box])
            np.maximum(part, _rod(here, start, end), out=part)
    return depth


def _span(values: Array, axis: int) -> tuple[Profile, Profile]:
    """Return the least and greatest value of each plane across an axis."""
    others = tuple(i for i in range(3) if i != axis)
    return values.min(axis=others), values.max(axis=others)


def _touching(span: tuple[Profile, Profile], low: float, high: float) -> slice:
    """Return the planes that hold a value between two limits."""
    hits = np.flatnonzero((span[1] >= low) & (span[0] <= high))
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0)


def _rod(points: Points, start: Float[np.ndarray, "4"], end: Float[np.ndarray, "4"]) -> Array:
    """Return the depth inside one straight piece whose radius changes linearly."""
    step = (end - start).astype(np.float32)
    d, h, w = (p - np.float32(s) for p, s in zip(points, start[:3], strict=True))
    share = step[:3] / np.float32(max(float(step[:3] @ step[:3]), 1e-6))
    t = np.clip(d * share[0] + h * share[1] + w * share[2], 0, 1)
    d -= t * step[0]
    h -= t * step[1]
    w -= t * step[2]
    return np.float32(start[3]) + t * step[3] - np.sqrt(d * d + h * h + w * w)


def smooth_union(a: Array, b: Array, round_mm: float) -> Array:
    """Join two solids with a fillet of about `round_mm` (polynomial smooth maximum)."""
    blend = np.clip(0.5 + (a - b) / np.float32(2 * round_mm), 0, 1)
    return b + (a - b) * blend + np.float32(round_mm) * blend * (1 - blend)


def smooth_cut(a: Array, b: Array, round_mm: float) -> Array:
    """Keep what lies in both solids, with rounded edges."""
    return -smooth_union(-a, -b, round_mm)


def grown_to(depth_mm: Array, allowed_mm: Array, volume_ml: float, step_mm: float) -> Array:
    """Move a surface in or out until the part inside the allowed region has the given volume.

    Returns:
        min(depth + c, allowed), with c <= GROWTH_MM such that the positive nodes hold `volume_ml`;
        less where neighbours leave too little room, as an organ would look odd if it flowed around
        them.
    """
    free = depth_mm[allowed_mm > 0]
    wanted = round(volume_ml * 1000 / step_mm**3)
    surface = np.float32(-GROWTH_MM)
    if wanted < free.size:
        surface = max(surface, np.partition(free, free.size - wanted)[free.size - wanted])
    return np.minimum(depth_mm - surface, allowed_mm)
