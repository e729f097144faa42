"""Group normalisation on CPU for maps that lie channels_last.

The voxels are read once for the moments of every case and channel, which pool to those of groups
as tensors of a few hundred numbers, and once to be scaled and shifted. Both passes are torch's
batch normalisation of one case at a time: it is bound by memory in this layout and takes bfloat16
voxels with float32 statistics. Forward and backward of 4 x 16 x 64 x 64 x 32 cost a seventh of
what torch's group normalisation with the copies to its fast layout costs.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable

Coefficients = Float[Tensor, "b c"]
Voxels = Float[Tensor, "b c d h w"]

FOLD = 16
"""Voxels laid side by side as one row: long rows vectorise, and sums of fewer rows round less."""


def standardisation(
    norm: nn.GroupNorm, *maps: Float[Tensor, "b _c _d _h _w"]
) -> tuple[Coefficients, Coefficients]:
    """Return (scale, shift) with which each group of the maps has mean 0 and variance 1.

    Equation: the mean of a group is the mean of its channels' means; its variance the mean of
    their variances plus the variance of their means.

    Args:
        norm: Gives the groups and epsilon; its weight and bias are left to the caller.
        maps: Their channels in this order are those of `norm`. A map may be coarser than another
            if each of its voxels stands for the same number of voxels.
    """
    moments = [_ChannelMoments.apply(x) for x in maps]
    mean, variance = (torch.cat(column, dim=1) for column in zip(*moments, strict=True))
    means = mean.unflatten(1, (norm.num_groups, -1))
    center = means.mean(2, keepdim=True)
    variances = variance.unflatten(1, (norm.num_groups, -1)) + (means - center).square()
    scale = torch.rsqrt(variances.mean(2, keepdim=True) + norm.eps)
    return scale.expand_as(means).flatten(1), (-center * scale).expand_as(means).flatten(1)


def scale_and_shift(x: Voxels, scale: Coefficients, shift: Coefficients) -> Voxels:
    """Return x * scale + shift, in the precision of x."""
    return _ScaleAndShift.apply(x, scale, shift)  # pyright: ignore[reportReturnType]


class _ChannelMoments(Function):
    """Mean and biased variance of every case and channel, in float32 at least."""

    @staticmethod
    def forward(ctx: Any, x: Voxels) -> tuple[Coefficients, Coefficients]:  # noqa: ANN401
        rows = _rows(x)
        zero, one = _zero_and_one(rows)
        moments = [torch.batch_norm_update_stats(case, zero, one, 0.0) for case in rows]
        means, variances = (_unfold(column, x) for column in zip(*moments, strict=True))
        mean = means.mean(1)
        ctx.save_for_backward(x, mean)
        return mean, (variances + (means - mean.unsqueeze(1)).square()).mean(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Coefficients) -> Voxels:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        x, mean = ctx.saved_tensors
        to_mean, to_variance = gradients
        voxels = x[0, 0].numel()
        scale = to_variance * (2 / voxels)
        return _affine(x, scale, to_mean / voxels - scale * mean)


class _ScaleAndShift(Function):
    @staticmethod
    def forward(ctx: Any, x: Voxels, scale: Coefficients, shift: Coefficients) -> Voxels:  # noqa: ANN401
        ctx.save_for_backward(x, scale)
        return _affine(x, scale, shift)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Voxels) -> tuple[Voxels, Coefficients, Coefficients]:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        x, scale = ctx.saved_tensors
        rows = _rows(x)
        zero, one = _zero_and_one(rows)
        # Of a batch normalisation by mean 0 and variance 1: sums of gradient * x and gradient.
        sums = [
            torch.ops.aten.native_batch_norm_backward(
                gradient, case, one, None, None, zero, one, True, 0.0, [False, True, True]
            )[1:]
            for gradient, case in zip(_rows(gradients[0]), rows, strict=True)
        ]
        to_scale, to_shift = (_unfold(column, x).sum(1) for column in zip(*sums, strict=True))
        return _affine(gradients[0], scale, torch.zeros_like(scale)), to_scale, to_shift


def _affine(x: Voxels, scale: Coefficients, shift: Coefficients) -> Voxels:
    rows = _rows(x)
    zero, one = _zero_and_one(rows)
    fold = rows.shape[2] // x.shape[1]
    out, unused = torch.empty_like(rows), zero.new_empty(0)
    pieces = zip(rows, scale.repeat(1, fold), shift.repeat(1, fold), out, strict=True)
    for case, factor, offset, target in pieces:
        torch.ops.aten.native_batch_norm.out(
            case, factor, offset, zero, one, False, 0.0, 0.0,
            out=target, save_mean=unused, save_invstd=unused,
        )  # fmt: skip
    return out.view(len(x), *x.shape[2:], x.shape[1]).permute(0, 4, 1, 2, 3)


def _rows(x: Voxels) -> Float[Tensor, "b n fc"]:
    """View channels_last voxels, several to a row."""
    fold = math.gcd(x[0, 0].numel(), FOLD)
    return x.permute(0, 2, 3, 4, 1).reshape(len(x), -1, fold * x.shape[1])


def _unfold(cases: tuple[Tensor, ...], x: Voxels) -> Float[Tensor, "b f c"]:
    return torch.stack(cases).unflatten(1, (-1, x.shape[1]))


def _zero_and_one(rows: Float[Tensor, "b n fc"]) -> tuple[Tensor, Tensor]:
    zero = rows.new_zeros(rows.shape[2], dtype=torch.promote_types(rows.dtype, torch.float32))
    return zero, torch.ones_like(zero)
