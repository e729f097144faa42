"""The regular lattice on which a patient's shapes are evaluated, before any CT grid exists.

Points and arrays run d h w = superior, anterior, right, in mm. "Scanner" coordinates are those of
the CT; "body" coordinates are the patient's own, where every organ has its textbook place: the
origin lies in the spine at the height of the pancreas.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import find_objects

from voxsiam.types import Box, Shape

Point = tuple[float, float, float]
Vector = Float[np.ndarray, "3"]
Array = Float[np.ndarray, "d h w"]
AnyArray = Float[np.ndarray, "_ _ _"]


@dataclass(frozen=True)
class Lattice:
    """Nodes at `origin_mm + step_mm * index` in scanner coordinates."""

    origin_mm: Point
    step_mm: float
    shape: Shape

    @classmethod
    def covering(cls, low_mm: Point, high_mm: Point, step_mm: float) -> "Lattice":
        """Build the lattice that spans a box and one node more on each side."""
        sizes = [int(np.ceil((b - a) / step_mm)) + 3 for a, b in zip(low_mm, high_mm, strict=True)]
        origin = (low_mm[0] - step_mm, low_mm[1] - step_mm, low_mm[2] - step_mm)
        return cls(origin, step_mm, (sizes[0], sizes[1], sizes[2]))

    def axis_mm(self, axis: int) -> Float[np.ndarray, " n"]:
        """Return the scanner coordinates of the nodes along one axis."""
        steps = np.arange(self.shape[axis], dtype=np.float32)
        return steps * np.float32(self.step_mm) + np.float32(self.origin_mm[axis])


@dataclass(frozen=True)
class Field:
    """One shape on a crop of the lattice: about the signed depth in mm, positive inside.

    Attributes:
        start: Lattice index of the crop's first node; outside the crop the shape does not exist.
    """

    start: Shape
    depth_mm: Array

    def trimmed(self) -> "Field | None":
        """Return the shape on the smallest crop that shows all its surface; None if it is empty."""
        box = box_around(self.depth_mm > 0, 1)
        if box is None:
            return None
        d, h, w = (a + part.start for a, part in zip(self.start, box, strict=True))
        return Field((d, h, w), self.depth_mm[box])

    def on(self, start: Shape, shape: tuple[int, ...]) -> Array:
        """Return the values on another crop, -99 mm where this shape has none."""
        values = np.full(shape, -99.0, dtype=np.float32)
        here, there = [], []
        for a, n, b, m in zip(start, shape, self.start, self.depth_mm.shape, strict=True):
            low = max(a, b)
            high = max(low, min(a + n, b + m))
            here.append(slice(low - a, high - a))
            there.append(slice(low - b, high - b))
        values[tuple(here)] = self.depth_mm[tuple(there)]
        return values


@dataclass(frozen=True)
class Crop:
    """A box of lattice nodes with everything a shape function wants to know about them.

    Attributes:
        points_mm: Body coordinates (superior, anterior, right) of the nodes.
        height_mm: Scanner height above the table's side of the lattice: gas rises along it.
        rough: Smooth noise of unit size, about 12 mm long, for natural surfaces.
    """

    start: Shape
    points_mm: tuple[Array, Array, Array]
    height_mm: Array
    rough: Array

    def field(self, depth_mm: Array) -> Field:
        """Name values computed on this crop as a shape."""
        return Field(self.start, depth_mm.astype(np.float32, copy=False))

    def of(self, field: Field) -> Array:
        """Return another shape's values on this crop."""
        return field.on(self.start, self.rough.shape)


def box_around(mask: Bool[np.ndarray, "d h w"], margin: int) -> Box | None:
    """Bound what is true, with `margin` more all around inside the array; None without any."""
    (found,) = find_objects(mask, 1)
    if found is None:
        return None
    d, h, w = (
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(found, mask.shape, strict=True)
    )
    return d, h, w


def smooth_noise(rng: np.random.Generator, lattice: Lattice, length_mm: float) -> Array:
    """Draw noise of zero mean and unit size that varies over about `length_mm`.

    Cubic B-splines over a coarse grid of normal numbers; einsum keeps it free of BLAS threads, so
    that the bits do not depend on the number of processors.
    """
    weights = [_spline_weights(n, length_mm / lattice.step_mm) for n in lattice.shape]
    values = rng.standard_normal([w.shape[1] for w in weights]).astype(np.float32)
    for axis, weight in enumerate(weights):
        values = np.moveaxis(
            np.einsum("ab,b...->a...", weight, np.moveaxis(values, axis, 0)), 0, axis
        )
    return values / np.float32(max(values.std(), 1e-6))


def _spline_weights(size: int, knot_nodes: float) -> Float[np.ndarray, "n m"]:
    """Return the weight of each coarse knot at each node (uniform cubic B-spline)."""
    knots = np.arange(int(np.ceil(size / knot_nodes)) + 4) - 1
    gap = np.abs(np.arange(size)[:, None] / knot_nodes - knots[None, :])
    near, far = 2 / 3 - gap**2 + gap**3 / 2, (2 - gap) ** 3 / 6
    return np.where(gap < 1, near, np.where(gap < 2, far, 0.0)).astype(np.float32)


def between(values: AnyArray, axis: int, positions: Float[np.ndarray, " n"]) -> AnyArray:
    """Interpolate linearly along one axis at fractional indices, which are held at the ends."""
    last = values.shape[axis] - 1
    held = np.clip(positions, 0, last)
    low = np.minimum(held.astype(np.intp), max(last - 1, 0))
    part = (held - low).astype(np.float32)
    part = part.reshape([-1 if i == axis else 1 for i in range(3)])
    first = np.take(values, low, axis=axis)
    second = np.take(values, np.minimum(low + 1, last), axis=axis)
    second -= first
    second *= part
    first += second
    return first
