"""Batch normalisation by the statistics of the global batch, on CPU and GPU alike.

`torch.nn.SyncBatchNorm` refuses CPU tensors; this one needs only sums over ranks.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.collective import sum_over_ranks

EPSILON = 1e-5


class GlobalBatchNorm(nn.Module):
    """y = (x - mean) / sqrt(variance + eps) * scale + shift over the rows of all ranks.

    It keeps no running statistics: the heads that use it exist in training only.

    Args:
        features: Length of a row.
        affine: Whether scale and shift are learned.
    """

    def __init__(self, features: int, *, affine: bool = True) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features)) if affine else None
        self.shift = nn.Parameter(torch.zeros(features)) if affine else None

    def forward(self, x: Float[Tensor, "n f"]) -> Float[Tensor, "n f"]:
        """Normalise the rows of this rank, which may be none."""
        mean, variance = _global_moments(x)
        normalised = (x - mean) * torch.rsqrt(variance + EPSILON)
        if self.scale is None or self.shift is None:
            return normalised
        return normalised * self.scale + self.shift


def _global_moments(x: Float[Tensor, "n f"]) -> tuple[Float[Tensor, " f"], Float[Tensor, " f"]]:
    # float64, because E[x^2] - E[x]^2 cancels; the tensors are a few thousand rows.
    wide = x.double()
    count = torch.full((1, x.shape[1]), x.shape[0], dtype=wide.dtype, device=x.device)
    sums = torch.cat([wide.sum(0, keepdim=True), wide.square().sum(0, keepdim=True), count])
    total, squares, rows = sum_over_ranks(sums)
    rows = rows.clamp(min=1)
    mean = total / rows
    variance = (squares / rows - mean.square()).clamp(min=0)
    return mean.to(x.dtype), variance.to(x.dtype)
