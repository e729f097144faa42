"""Where the patient lies: from scanner coordinates to the patient's own."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from voxsiam_data.phantom.lattice import Array, Crop, Field, Lattice, Point, smooth_noise

WARP_LENGTH_MM = 55.0
ROUGH_LENGTH_MM = 11.0


@dataclass(frozen=True)
class Pose:
    """Scanner = turn(scale * body) + shift.

    Attributes:
        angles_deg: Turns about the superior, the right and the anterior axis.
        scale: Size along superior, anterior, right.
        shift_mm: Scanner position of the body's origin.
        warp_mm: Standard deviation of the smooth deformation that makes no two bodies alike.
    """

    angles_deg: Point
    scale: Point
    shift_mm: Point
    warp_mm: float

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """Return the linear part, scanner from body."""
        turn = np.eye(3)
        for angle, (i, j) in zip(
            np.radians(self.angles_deg), ((1, 2), (0, 1), (0, 2)), strict=True
        ):
            plane = np.eye(3)
            plane[[i, j], [i, j]] = np.cos(angle)
            plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
            turn = turn @ plane
        return turn * np.asarray(self.scale)

    def box(self, low_mm: Point, high_mm: Point) -> tuple[Point, Point]:
        """Return the scanner box around a box in body coordinates (warp left out)."""
        pairs = np.array([low_mm, high_mm])
        corners = np.stack(np.meshgrid(*pairs.T, indexing="ij"), -1).reshape(-1, 3)
        placed = corners @ self.matrix.T + np.asarray(self.shift_mm)
        low, high = placed.min(0), placed.max(0)
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])


class Space:
    """A lattice with the body coordinates of its nodes."""

    def __init__(self, lattice: Lattice, pose: Pose, rng: np.random.Generator) -> None:
        self.lattice, self.pose = lattice, pose
        axes = [lattice.axis_mm(i) - np.float32(pose.shift_mm[i]) for i in range(3)]
        back = np.linalg.inv(pose.matrix).astype(np.float32)
        d, h, w = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
        self._points = tuple(
            row[0] * d + row[1] * h + row[2] * w
            + np.float32(pose.warp_mm) * smooth_noise(rng, lattice, WARP_LENGTH_MM)
            for row in back
        )  # fmt: skip
        self._rough = smooth_noise(rng, lattice, ROUGH_LENGTH_MM)

    @cached_property
    def whole(self) -> Crop:
        """Return all nodes."""
        return self._cut((0, 0, 0), self.lattice.shape)

    def crop(self, low_mm: Point, high_mm: Point) -> Crop:
        """Return the nodes that may lie in a box of body coordinates, whatever the warp does.

        Returns:
            At least one node, even where the box lies outside the lattice.
        """
        # Three standard deviations of the warp, and a little for the shape's own roughness.
        margin = 3 * self.pose.warp_mm + 6
        a, b, c = (v - margin for v in low_mm)
        x, y, z = (v + margin for v in high_mm)
        low, high = self.pose.box((a, b, c), (x, y, z))
        starts, ends = [], []
        for axis, size in enumerate(self.lattice.shape):
            origin, step = self.lattice.origin_mm[axis], self.lattice.step_mm
            start = int(np.clip(np.floor((low[axis] - origin) / step), 0, size - 1))
            starts.append(start)
            ends.append(int(np.clip(np.ceil((high[axis] - origin) / step) + 1, start + 1, size)))
        return self._cut((starts[0], starts[1], starts[2]), (ends[0], ends[1], ends[2]))

    def around(self, field: Field, margin_mm: float = 0.0) -> Crop:
        """Return the nodes of a shape's crop, widened on all sides."""
        more = int(np.ceil(margin_mm / self.lattice.step_mm))
        sizes = field.depth_mm.shape
        low = [max(0, s - more) for s in field.start]
        full = zip(field.start, sizes, self.lattice.shape, strict=True)
        high = [min(n, s + m + more) for s, m, n in full]
        return self._cut((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def _cut(self, low: tuple[int, int, int], high: tuple[int, int, int]) -> Crop:
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        d, h, w = (p[box] for p in self._points)
        height = self.lattice.axis_mm(1)[None, box[1], None]
        return Crop(low, (d, h, w), np.broadcast_to(height, d.shape), self._rough[box])


def blank(crop: Crop) -> Array:
    """Return a crop's worth of 'far outside'."""
    return np.full(crop.shape, -99.0, dtype=np.float32)
