"""Group normalisation and convolution as one step, in a plain and a fast form.

The fast form is that of CPU and channels_last; results differ by rounding only.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.group_norm import scale_and_shift, standardisation


def convolve_normalised(
    norm: nn.GroupNorm, conv: nn.Conv3d, x: Float[Tensor, "b c d h w"]
) -> Float[Tensor, "b o d h w"]:
    """Return conv(norm(x))."""
    if not is_fast(conv):
        return conv(norm(x.contiguous()))
    scale, shift = standardisation(norm, x)
    if torch.is_grad_enabled() and not x.requires_grad:
        return _convolve_image(norm, conv, scale_and_shift(x, scale, shift))
    return conv(scale_and_shift(x, scale * norm.weight, shift * norm.weight + norm.bias))


def convolve_normalised_pair(
    norm: nn.GroupNorm,
    conv: nn.Conv3d,
    skip: Float[Tensor, "b c1 d h w"],
    coarse: Float[Tensor, "b c2 d1 h1 w1"],
) -> Float[Tensor, "b o d h w"]:
    """Return conv(norm(cat([skip, coarse up-sampled to the skip's size]))), nearest neighbour."""
    if not (is_fast(conv) and _is_doubled(coarse, skip)):
        return convolve_normalised(norm, conv, concatenate_upsampled(skip, coarse))
    channels = [skip.shape[1], coarse.shape[1]]
    scale, shift = standardisation(norm, skip, coarse)
    scales = (scale * norm.weight).split(channels, dim=1)
    shifts = (shift * norm.weight + norm.bias).split(channels, dim=1)
    maps = map(scale_and_shift, (skip, coarse), scales, shifts)
    return _convolve_doubled(conv, *maps)


def convolve_pair(
    conv: nn.Conv3d,
    skip: Float[Tensor, "b c1 d h w"],
    coarse: Float[Tensor, "b c2 d1 h1 w1"],
) -> Float[Tensor, "b o d h w"]:
    """Return conv(cat([skip, coarse up-sampled to the skip's size])), nearest neighbour."""
    if is_fast(conv) and _is_doubled(coarse, skip):
        return _convolve_doubled(conv, skip, coarse)
    return conv(concatenate_upsampled(skip, coarse))


def concatenate_upsampled(
    skip: Float[Tensor, "b c1 d h w"], coarse: Float[Tensor, "b c2 d1 h1 w1"]
) -> Float[Tensor, "b c d h w"]:
    """Join the maps, the skip's channels first."""
    upsampled = functional.interpolate(coarse, size=skip.shape[2:], mode="nearest")
    return torch.cat([skip, upsampled], dim=1)


def is_fast(conv: nn.Conv3d) -> bool:
    """Tell whether a convolution is on CPU with its weight laid channels_last."""
    return conv.weight.device.type == "cpu" and conv.weight.stride(1) == 1


def _is_doubled(coarse: Tensor, skip: Tensor) -> bool:
    return all(2 * n == fine for n, fine in zip(coarse.shape[2:], skip.shape[2:], strict=True))


def _convolve_image(
    norm: nn.GroupNorm, conv: nn.Conv3d, x: Float[Tensor, "b c d h w"]
) -> Float[Tensor, "b o d h w"]:
    """Return conv(x * weight + bias) for an x that wants no gradient.

    The gradient of weight and bias would need that of the convolution to its input, which with one
    channel is the slowest of all: a tenth of the step. As part of a kernel over x and a map of
    ones they need it not.
    """
    weight, bias = (p.view(1, -1, 1, 1, 1) for p in (norm.weight, norm.bias))
    kernel = torch.cat([conv.weight * weight, (conv.weight * bias).sum(1, keepdim=True)], dim=1)
    both = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    both = both.contiguous(memory_format=torch.channels_last_3d)
    return functional.conv3d(both, kernel, padding=conv.padding)


def _convolve_doubled(
    conv: nn.Conv3d, skip: Float[Tensor, "b c1 d h w"], coarse: Float[Tensor, "b c2 d1 h1 w1"]
) -> Float[Tensor, "b o d h w"]:
    """Convolve skip and doubled coarse without doubling.

    A 3x3x3 kernel over pairs of equal voxels is a transposed 4x4x4 kernel of stride 2 over single
    ones, with 8 products for 27: entry t reaches output 2 i + t - 1 from voxel i, through the taps
    2 - t and 3 - t of its two copies.
    """
    own, doubled = conv.weight.split([skip.shape[1], coarse.shape[1]], dim=1)
    pairs = doubled.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    sums = torch.kron(pairs, torch.kron(pairs, pairs))
    kernel = (doubled.flatten(2) @ sums.T).unflatten(2, (4, 4, 4)).transpose(0, 1)
    fine = functional.conv3d(skip, own, padding=1)
    return fine.add_(functional.conv_transpose3d(coarse, kernel, stride=2, padding=1))
