"""Labels on the grid of an encoder level (the paper does not say how they get there).

A voxel of a level with stride s stands for the cell of s x s x s input voxels that starts at s
times its index; levels round down, so what is left over at the end belongs to no cell.
"""

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor
from torch.nn import functional

from voxsiam.losses.config import CoarseLabels
from voxsiam.types import Shape


def pick(grid: Tensor, stride: int, size: Shape, *, offset: int = 0) -> Tensor:
    """Take one voxel of each cell, the one at `offset` along each axis."""
    d, h, w = (slice(offset, stride * n, stride) for n in size)
    return grid[..., d, h, w]


def coarse_labels(
    labels: Integer[Tensor, "b d h w"],
    stride: int,
    size: Shape,
    kind: CoarseLabels,
    num_classes: int,
) -> Int[Tensor, "b d2 h2 w2"]:
    """Give each cell one class.

    Args:
        stride: Input voxels per cell along an axis.
        size: Cells along d, h, w.
        kind: `nearest` takes the cell's first voxel (torch's interpolate does), `centre` the one
            after its middle, `majority` the most frequent class, `any_organ` the most frequent
            organ wherever there is one. Of equally frequent classes the lowest wins.
    """
    if kind == "nearest" or stride == 1:
        return pick(labels, stride, size).long()
    if kind == "centre":
        return pick(labels, stride, size, offset=stride // 2).long()
    shares = torch.stack(
        [_share(labels == value, stride, size) for value in range(num_classes)], dim=1
    )
    if kind == "majority":
        return shares.argmax(1)
    organ = shares[:, 1:].argmax(1) + 1
    return torch.where(shares[:, 0] < 1, organ, torch.zeros_like(organ))


def cell_purity(
    labels: Integer[Tensor, "b d h w"], coarse: Int[Tensor, "b d2 h2 w2"], stride: int
) -> Float[Tensor, "b d2 h2 w2"]:
    """Return the share of each cell's voxels that have the class of the cell, in [0, 1]."""
    d, h, w = coarse.shape[1:]
    spread = coarse
    for axis in (1, 2, 3):
        spread = spread.repeat_interleave(stride, dim=axis)
    inside = labels[:, : d * stride, : h * stride, : w * stride]
    return _share(inside == spread, stride, (d, h, w))


def _share(mask: Bool[Tensor, "b d h w"], stride: int, size: Shape) -> Float[Tensor, "b d2 h2 w2"]:
    d, h, w = (stride * n for n in size)
    whole = mask[:, None, :d, :h, :w].float()
    if len(whole) == 0:
        return whole.new_zeros((0, *size))
    return functional.avg_pool3d(whole, stride).squeeze(1)
