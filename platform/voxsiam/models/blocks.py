"""The blocks that the networks share."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

NUM_GROUPS = 8


class Unit(nn.Module):
    """Group normalisation, 3x3x3 convolution without bias, ReLU, in this order."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        # Narrow presets have maps of 12 channels; every width of the paper divides by eight.
        groups = math.gcd(NUM_GROUPS, in_channels) if in_channels >= NUM_GROUPS else 1
        self.norm = nn.GroupNorm(groups, in_channels)
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b o d h w"]:
        """Apply the three steps."""
        # On CPU the backward of group normalisation is ten times slower on channels_last; the
        # convolution takes either layout and goes by its weight's.
        return functional.relu(self.conv(self.norm(x.contiguous())))


class EncoderLevel(nn.Sequential):
    """Two units; the first has max(out / 2, in) channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        middle = max(out_channels // 2, in_channels)
        super().__init__(Unit(in_channels, middle), Unit(middle, out_channels))


class DecoderLevel(nn.Module):
    """Nearest-neighbour up-sampling to the skip's size, concatenation (skip first), two units."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.units = nn.Sequential(
            Unit(in_channels, out_channels), Unit(out_channels, out_channels)
        )

    def forward(
        self, x: Float[Tensor, "b c1 d1 h1 w1"], skip: Float[Tensor, "b c2 d h w"]
    ) -> Float[Tensor, "b o d h w"]:
        """Join the coarser map x with the skip of the same level."""
        upsampled = functional.interpolate(x, size=skip.shape[2:], mode="nearest")
        return self.units(torch.cat([skip, upsampled], dim=1))
