"""Batch normalisation by the statistics of the global batch, on CPU and GPU alike.

`torch.nn.SyncBatchNorm` refuses CPU tensors and counts the blank volume on which a rank without
cases runs. Axes: n cases or rows, f features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from voxsiam.collective import concatenate_over_ranks, is_distributed, sum_over_ranks

EPSILON = 1e-5
MOMENTUM = 0.1

_uncounted: ContextVar[bool] = ContextVar("uncounted", default=False)


@contextmanager
def uncounted() -> Iterator[None]:
    """Let no row of a forward pass count in any batch statistic, running ones included.

    A rank without cases runs the network on a blank under it: the blank is normalised as the other
    ranks' cases are, and the rank takes part in every collective, forward and backward.
    """
    token = _uncounted.set(True)
    try:
        yield
    finally:
        _uncounted.reset(token)


class GlobalBatchNorm(nn.Module):
    """y = (x - mean) / sqrt(variance + eps) * scale + shift over the voxels of all ranks' cases.

    Ioffe & Szegedy 2015 (arXiv 1502.03167), algorithm 1; eps, the momentum of 0.1 and the unbiased
    running variance are those of `torch.nn.BatchNorm3d`.

    Args:
        features: Channels of a map, or length of a row.
        track: Whether running statistics are kept and used in evaluation. Without them the
            statistics are always the batch's; the heads, which exist in training only, need none.
    """

    running_mean: Tensor | None
    running_variance: Tensor | None

    def __init__(self, features: int, *, affine: bool = True, track: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features)) if affine else None
        self.shift = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features) if track else None)
        self.register_buffer("running_variance", torch.ones(features) if track else None)

    def forward(self, x: Float[Tensor, "n f *grid"]) -> Float[Tensor, "n f *grid"]:
        """Normalise the rows or maps of this rank, which may be none.

        Where no rank has a counted row, mean 0 and variance 1 take the statistics' place; a single
        row has variance 0. Neither changes the running statistics.
        """
        batch_statistics = self.training or self.running_mean is None
        rows = x.numel() // x.shape[1]
        if batch_statistics and (is_distributed() or _uncounted.get() or rows < 2):
            moments = _global_moments(x)
            self._track(moments)
            return _Normalise.apply(x, self.scale, self.shift, moments)  # pyright: ignore[reportReturnType]
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_variance,
            self.scale,
            self.shift,
            training=batch_statistics,
            momentum=MOMENTUM,
            eps=EPSILON,
        )

    @torch.no_grad()
    def _track(self, moments: "_Moments") -> None:
        if self.running_mean is None or self.running_variance is None:
            return
        rows, mean, variance, _ = moments
        # One row says nothing on a variance.
        weight = MOMENTUM * (rows > 1).to(mean)
        unbiased = variance * rows / (rows - 1).clamp(min=1)
        for running, found in ((self.running_mean, mean), (self.running_variance, unbiased)):
            running.lerp_(found.to(running), weight.to(running))


class _Moments(NamedTuple):
    """Of the global batch and equal on all ranks, in float64; `counted` is of this rank alone."""

    rows: Float[Tensor, ""]
    mean: Float[Tensor, " f"]
    variance: Float[Tensor, " f"]
    counted: bool


@torch.no_grad()
def _global_moments(x: Float[Tensor, "n f *grid"]) -> _Moments:
    """Join the ranks' moments by Chan, Golub & LeVeque 1983, in one collective."""
    counted = not _uncounted.get() and x.numel() > 0
    local = _local_moments(x) if counted else x.new_zeros((3, x.shape[1]), dtype=torch.float64)
    rows, means, squares = concatenate_over_ranks(local[None]).unbind(1)
    total = rows.sum(0)
    mean = (rows * means).sum(0) / total.clamp(min=1)
    deviations = (squares + rows * (means - mean).square()).sum(0)
    # Without any row a variance of 0 would blow the maps up three hundredfold in every layer.
    variance = torch.where(total > 0, deviations / total.clamp(min=1), 1.0)
    return _Moments(total[0], mean, variance, counted)


def _local_moments(x: Float[Tensor, "n f *grid"]) -> Float[Tensor, "3 f"]:
    """Return rows, mean, and the sum of squared deviations, per feature."""
    rows = x.numel() // x.shape[1]
    mean, unbiased = x.new_zeros((2, x.shape[1]), dtype=_precision(x))
    if rows == 1:
        mean = x.flatten().to(mean.dtype)
    else:
        # With momentum 1 the moments land in the running statistics; in bfloat16 on CPU this is
        # ten times faster than var_mean, which needs a float32 copy of the map.
        functional.batch_norm(x, mean, unbiased, training=True, momentum=1.0, eps=EPSILON)
    counts = torch.full_like(mean, rows, dtype=torch.float64)
    return torch.stack([counts, mean.double(), unbiased.double() * (rows - 1)])


def _precision(x: Tensor) -> torch.dtype:
    """Statistics are in the precision of x, but at least in float32."""
    return torch.promote_types(x.dtype, torch.float32)


class _Normalise(torch.autograd.Function):
    """y = x_hat * scale + shift, whose gradient runs through the statistics of all ranks.

    With g = dL/dy, N rows in all and s = (variance + eps) ** -0.5:
    dL/dx = scale * s * (g - (sum g + x_hat * sum(g * x_hat)) / N), sums over all ranks.
    It keeps x alone for the backward pass; the plain expression would keep three float32 maps.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        scale: Tensor | None,
        shift: Tensor | None,
        moments: _Moments,
    ) -> Tensor:
        mean, variance = (m.to(_precision(x)) for m in (moments.mean, moments.variance))
        weight = torch.ones_like(mean) if scale is None else scale
        ctx.save_for_backward(x, weight, mean, variance, moments.rows)
        ctx.counted, ctx.affine = moments.counted, scale is not None
        return functional.batch_norm(x, mean, variance, weight, shift, eps=EPSILON)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, mean, variance, rows = ctx.saved_tensors
        direct, by_scale, by_shift = _constant_gradients(gradients[0], x, weight, mean, variance)
        sums = sum_over_ranks(torch.stack([by_scale, by_shift]).double())
        if ctx.counted:
            factor = weight * torch.rsqrt(variance + EPSILON) / rows
            products, plain = (sums * factor).to(mean.dtype)
            # products * x_hat + plain, in one pass.
            direct -= functional.batch_norm(x, mean, variance, products, plain, eps=EPSILON)
        affine = (by_scale, by_shift) if ctx.affine else (None, None)
        return direct, *affine, None


def _constant_gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return dL/dx with the statistics held constant, sum(g * x_hat) and sum g of this rank."""
    if x.numel() == 0:
        # The kernel divides by the number of rows and ends the process.
        return gradient, torch.zeros_like(mean), torch.zeros_like(mean)
    return torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, mean, variance, None, None, False, EPSILON, [True] * 3
    )
