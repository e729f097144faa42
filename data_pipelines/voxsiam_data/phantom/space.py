"""Where the patient lies: from scanner coordinates to the patient's own."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from voxsiam_data.phantom.lattice import Crop, Field, Lattice, Point, Vector, smooth_noise

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
    scale: Point | Vector
    shift_mm: Point | Vector
    warp_mm: float

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """Return the linear part, scanner from body."""
        turn = np.eye(3)
        planes = ((1, 2), (0, 1), (0, 2))
        for angle, (i, j) in zip(np.radians(self.angles_deg), planes, strict=True):
            plane = np.eye(3)
            plane[[i, j], [i, j]] = np.cos(angle)
            plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
            turn = turn @ plane
        return turn * np.asarray(self.scale)

    def box(self, low_mm: Point | Vector, high_mm: Point | Vector) -> tuple[Vector, Vector]:
        """Return the scanner box around a box in body coordinates (warp left out)."""
        pairs = np.array([low_mm, high_mm])
        corners = np.stack(np.meshgrid(*pairs.T, indexing="ij"), -1).reshape(-1, 3)
        placed = corners @ self.matrix.T + np.asarray(self.shift_mm)
        return placed.min(0), placed.max(0)


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
        self.whole = self._cut((0, 0, 0), lattice.shape)

    def crop(self, low_mm: Point | Vector, high_mm: Point | Vector) -> Crop:
        """Return the nodes that may lie in a box of body coordinates, whatever the warp does.

        At least one node is returned, even where the box lies outside the lattice.
        """
        # Three standard deviations of the warp, and a little for the shape's own roughness.
        margin = 3 * self.pose.warp_mm + 6
        corners = self.pose.box(np.subtract(low_mm, margin), np.add(high_mm, margin))
        low, high = np.subtract(corners, self.lattice.origin_mm) / self.lattice.step_mm
        sizes = np.array(self.lattice.shape)
        start = np.clip(np.floor(low), 0, sizes - 1)
        return self._cut(start, np.clip(np.ceil(high) + 1, start + 1, sizes))

    def around(self, field: Field, margin_mm: float = 0.0) -> Crop:
        """Return the nodes of a shape's crop, widened on all sides."""
        more = int(np.ceil(margin_mm / self.lattice.step_mm))
        low, high = np.array(field.start) - more, np.add(field.start, field.depth_mm.shape) + more
        return self._cut(np.maximum(low, 0), np.minimum(high, self.lattice.shape))

    def _cut(self, low: Iterable[float], high: Iterable[float]) -> Crop:
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        d, h, w = (p[box] for p in self._points)
        height = self.lattice.axis_mm(1)[None, box[1], None]
        start = box[0].start, box[1].start, box[2].start
        return Crop(start, (d, h, w), np.broadcast_to(height, d.shape), self._rough[box])
