"""Stretch a volume to another grid; the outer borders of both grids coincide.

Voxel i of n_out lies at ((i + 1/2) n_in / n_out - 1/2) in voxels of the old grid: half-voxel
centres, as torch.nn.functional.interpolate with align_corners=False. Positions before the first
and behind the last voxel centre are moved onto it. There is no low-pass filter before shrinking
unless asked for: the paper names none (docs/readings.md).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped
from scipy.ndimage import gaussian_filter1d, spline_filter1d

from voxsiam.types import Shape
from voxsiam.volumes.preparation_config import Interpolation

Voxelwise = Callable[[np.ndarray], np.ndarray]
"""Changes each voxel by itself."""

_SLICES = 16


def resample(
    array: Shaped[np.ndarray, "d h w"],
    shape: Shape,
    interpolation: Interpolation = "linear",
    *,
    anti_alias: bool = False,
    voxelwise: Voxelwise | None = None,
) -> Float32[np.ndarray, "d2 h2 w2"]:
    """Interpolate values, trilinearly or by tricubic splines, one axis after the other.

    Args:
        anti_alias: Whether `low_pass` goes before each axis that shrinks.
        voxelwise: Applied to the old values first, to a few slices at a time: a changed copy of
            the whole scan is never in memory.
    """
    interpolate = _lerp if interpolation == "linear" else _spline

    def along(values: np.ndarray, axis: int) -> np.ndarray:
        if anti_alias:
            values = low_pass(values, axis, shape[axis])
        same = values.shape[axis] == shape[axis]
        return values if same else interpolate(values, axis, shape[axis])

    # The axis that shrinks most goes first, so that the others have less to do.
    first, second, last = sorted(range(3), key=lambda a: shape[a] / array.shape[a])
    slabs = []
    for start in range(0, array.shape[last], _SLICES):
        slab = array[(slice(None),) * last + (slice(start, start + _SLICES),)]
        changed = voxelwise(slab) if voxelwise else slab
        slabs.append(along(along(changed, first), second))
    return np.array(along(np.concatenate(slabs, last), last), dtype=np.float32, order="C")


def resample_nearest(
    array: Shaped[np.ndarray, "d h w"], shape: Shape
) -> Shaped[np.ndarray, "d2 h2 w2"]:
    """Take the old voxel in which each new voxel's centre lies ("nearest-exact" of torch)."""
    indices = (_nearest(n_in, n_out) for n_in, n_out in zip(array.shape, shape, strict=True))
    return np.array(array[np.ix_(*indices)], order="C")


def low_pass(
    array: Shaped[np.ndarray, "d h w"], axis: int, n_out: int
) -> Shaped[np.ndarray, "d h w"]:
    """Blur one axis by as much as shrinking it to `n_out` voxels asks for, if it shrinks.

    Equation: convolution with a Gaussian of sigma = (n_in / n_out - 1) / 2 voxels, cut at 4
    sigma, mirrored at the first and last voxel: the rule of skimage.transform.resize.
    """
    sigma = (array.shape[axis] / n_out - 1) / 2
    if sigma <= 0:
        return array
    return gaussian_filter1d(array, sigma, axis, output=np.float32, mode="mirror")


def _positions(n_in: int, n_out: int) -> Float64[np.ndarray, " n_out"]:
    centres = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    return np.clip(centres, 0, n_in - 1)


def _nearest(n_in: int, n_out: int) -> Int64[np.ndarray, " n_out"]:
    # floor((i + 1/2) n_in / n_out) in whole numbers: a centre on a border must not waver.
    return (2 * np.arange(n_out) + 1) * n_in // (2 * n_out)


def _lerp(array: np.ndarray, axis: int, n_out: int) -> np.ndarray:
    """Interpolate along one axis by order 1.

    Equation: y_i = (1 - t) x_lo + t x_(lo + 1), with lo + t the position of voxel i in the old
    grid.
    """
    n_in = array.shape[axis]
    positions = _positions(n_in, n_out)
    low = np.floor(positions).astype(np.int64)
    high = np.minimum(low + 1, n_in - 1)
    weight = _along((positions - low).astype(np.float32), axis)
    start = array.take(low, axis).astype(np.float32)
    return start + weight * (array.take(high, axis) - start)


def _spline(array: np.ndarray, axis: int, n_out: int) -> np.ndarray:
    """Interpolate along one axis by cubic splines; unlike order 1 it overshoots at edges.

    Equation: y_i = sum_m c_m B3(x_i - m), with x_i the position of voxel i in the old grid, B3 the
    cubic B-spline and c the coefficients with which the spline runs through every old voxel,
    mirrored at the first and last (Unser 1999; scipy.ndimage, mode "mirror").
    """
    n_in = array.shape[axis]
    if n_in == 1:
        return array.repeat(n_out, axis)
    positions = _positions(n_in, n_out)
    low = np.minimum(np.floor(positions).astype(np.int64), n_in - 2)
    t = positions - low
    # SciPy takes any floating type here; its stub knows float64 alone.
    coefficients = spline_filter1d(array, 3, axis, output=np.float32, mode="mirror")  # pyright: ignore[reportArgumentType]
    result = np.zeros((1, 1, 1), dtype=np.float32)
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 1 + 3 * t * (1 + t - t**2), t**3)
    for offset, weight in enumerate(weights, start=-1):
        index = np.abs(low + offset)
        index = n_in - 1 - np.abs(n_in - 1 - index)
        share = _along((weight / 6).astype(np.float32), axis)
        result = result + share * coefficients.take(index, axis)
    return result


def _along(line: Shaped[np.ndarray, " n"], axis: int) -> Shaped[np.ndarray, "a b c"]:
    return line.reshape([-1 if a == axis else 1 for a in range(3)])
