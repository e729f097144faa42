"""Stretch a volume to another grid; the outer borders of both grids coincide.

Voxel i of n_out lies at ((i + 1/2) n_in / n_out - 1/2) in voxels of the old grid: half-voxel
centres, as torch.nn.functional.interpolate with align_corners=False. There is no low-pass filter
before shrinking: the paper names none (docs/paper_map.md, reading 17).
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped

from voxsiam.types import Shape


def resample_linear(
    array: Shaped[np.ndarray, "d h w"], shape: Shape
) -> Float32[np.ndarray, "d2 h2 w2"]:
    """Interpolate trilinearly (order 1), one axis after the other.

    Equation: y_i = (1 - t) x_lo + t x_(lo + 1) along each axis, with lo + t the position of
    voxel i in the old grid, clamped to its first and last voxel centre.
    """
    result = array
    # The axis that shrinks most goes first, so that the others have less to do.
    for axis in sorted(range(3), key=lambda a: shape[a] / array.shape[a]):
        result = _lerp(result, axis, shape[axis])
    return np.array(result, dtype=np.float32, order="C")


def resample_nearest(
    array: Shaped[np.ndarray, "d h w"], shape: Shape
) -> Shaped[np.ndarray, "d2 h2 w2"]:
    """Take the old voxel in which each new voxel's centre lies ("nearest-exact" of torch)."""
    indices = (_nearest(n_in, n_out) for n_in, n_out in zip(array.shape, shape, strict=True))
    return np.array(array[np.ix_(*indices)], order="C")


def _positions(n_in: int, n_out: int) -> Float64[np.ndarray, " n_out"]:
    centres = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    return np.clip(centres, 0, n_in - 1)


def _nearest(n_in: int, n_out: int) -> Int64[np.ndarray, " n_out"]:
    # floor((i + 1/2) n_in / n_out) in whole numbers: a centre on a border must not waver.
    return (2 * np.arange(n_out) + 1) * n_in // (2 * n_out)


def _lerp(array: np.ndarray, axis: int, n_out: int) -> np.ndarray:
    n_in = array.shape[axis]
    if n_in == n_out:
        return array
    positions = _positions(n_in, n_out)
    low = np.floor(positions).astype(np.int64)
    high = np.minimum(low + 1, n_in - 1)
    weight = (positions - low).astype(np.float32)
    weight = weight.reshape([-1 if a == axis else 1 for a in range(3)])
    start = array.take(low, axis).astype(np.float32)
    return start + weight * (array.take(high, axis) - start)
