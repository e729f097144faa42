"""How far each voxel of one set lies from the nearest voxel of another, exactly.

Surfaces of a prediction and its reference mostly lie a few voxels apart, so the neighbourhood of
each voxel is looked through first, nearest voxels first: the first hit is the answer. What lies
farther away goes to a tree. No distance is computed for the millions of voxels in between, as a
distance transform does. Axes: s = steps to neighbours, n = voxels asked about, t = targets.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.spatial import KDTree

from voxsiam.types import Shape, Spacing

MAX_STEPS = 1024
"""Neighbours looked at before the tree is asked; a tree query costs about as much as 500."""

MAX_REACH_VOXELS = 12
"""Bounds the margin around the array where voxels are flat."""

_BLOCK = 8192
_FIRST_PIECE, _LARGEST_PIECE = 16, 128


@dataclass(frozen=True)
class Neighbourhood:
    """Steps to all voxels within some radius, nearest first.

    Attributes:
        steps: Along d, h, w, in voxels.
        distances: Length of each step, ascending, in the unit of the spacing.
        reach: Longest step along each axis, in voxels.
    """

    steps: Int64[np.ndarray, "s 3"]
    distances: Float64[np.ndarray, " s"]
    reach: Shape


def nearest_distances(
    voxels: Bool[np.ndarray, "d h w"], targets: Bool[np.ndarray, "d h w"], spacing: Spacing
) -> Float64[np.ndarray, " n"]:
    """Measure from each voxel to the nearest target.

    Args:
        targets: At least one voxel.
        spacing: Size of a voxel along d, h, w; the distances are in its unit.

    Returns:
        One distance for each voxel, in C order; 0 where the voxel is a target itself.
    """
    asked = np.flatnonzero(voxels)
    distances = np.zeros(len(asked))
    apart = np.flatnonzero(~targets.ravel()[asked])
    places = np.stack(np.unravel_index(asked[apart], voxels.shape), axis=1)
    found = _search_near(places, targets, neighbourhood(spacing))
    far = np.flatnonzero(np.isnan(found))
    if len(far):
        # The tree is built for one call: an unbalanced one costs less than it saves.
        tree = KDTree(np.argwhere(targets) * spacing, balanced_tree=False, compact_nodes=False)
        found[far] = tree.query(places[far] * spacing)[0]
    distances[apart] = found
    return distances


def _search_near(
    places: Int64[np.ndarray, "n 3"], targets: Bool[np.ndarray, "d h w"], near: Neighbourhood
) -> Float64[np.ndarray, " n"]:
    """Look through the neighbourhood of each place; NaN where no target is in it."""
    around = np.pad(targets, [(reach, reach) for reach in near.reach])
    strides = np.array([around.shape[1] * around.shape[2], around.shape[2], 1], dtype=np.int64)
    starts = (places + np.array(near.reach, dtype=np.int64)) @ strides
    steps = near.steps @ strides
    is_target = around.ravel()
    distances = np.full(len(places), np.nan)
    for low in range(0, len(places), _BLOCK):
        waiting = np.arange(low, min(low + _BLOCK, len(places)))
        for piece in _pieces(len(steps)):
            hits = is_target.take(starts[waiting, None] + steps[piece])
            first = hits.argmax(axis=1)
            found = hits[np.arange(len(waiting)), first]
            distances[waiting[found]] = near.distances[piece][first[found]]
            waiting = waiting[~found]
            if not len(waiting):
                break
    return distances


def _pieces(count: int) -> Iterator[slice]:
    """Cut 0..count into pieces that grow: most voxels are done after the first few steps."""
    start, size = 0, _FIRST_PIECE
    while start < count:
        yield slice(start, start + size)
        start, size = start + size, min(2 * size, _LARGEST_PIECE)


@lru_cache(maxsize=64)
def neighbourhood(spacing: Spacing) -> Neighbourhood:
    """List the steps from a voxel to its neighbours by length, none left out in between.

    Whatever is not in it lies at least as far away as its last step.
    """
    radius = (MAX_STEPS * 0.75 / math.pi * math.prod(spacing)) ** (1 / 3)
    # Beyond the reach along the shortest axis, steps would be missing.
    radius = min(radius, (MAX_REACH_VOXELS + 1) * min(spacing))
    reach = [min(int(radius / step), MAX_REACH_VOXELS) for step in spacing]
    d, h, w = ((np.arange(-n, n + 1) * step) ** 2 for n, step in zip(reach, spacing, strict=True))
    squares = d[:, None, None] + h[:, None] + w
    inside = squares < radius**2
    lengths = np.sqrt(squares[inside])
    order = np.argsort(lengths, kind="stable")[:MAX_STEPS]
    return Neighbourhood(
        steps=(np.argwhere(inside) - reach)[order],
        distances=lengths[order],
        reach=(reach[0], reach[1], reach[2]),
    )
