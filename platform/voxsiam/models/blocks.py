"""The units that the networks are built of: one convolution with its normalisation."""

import math

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.global_batch_norm import GlobalBatchNorm
from voxsiam.models.network_config import Normalisation
from voxsiam.models.normalised_convolution import (
    convolve_normalised,
    convolve_normalised_pair,
    convolve_pair,
)

NUM_GROUPS = 8


class Unit(nn.Module):
    """Group normalisation, 3x3x3 convolution without bias, ReLU, in this order."""

    def __init__(self, in_channels: int, out_channels: int, *, activation: bool = True) -> None:
        super().__init__()
        # Narrow presets have maps of 12 channels; every width of the paper divides by eight.
        groups = math.gcd(NUM_GROUPS, in_channels) if in_channels >= NUM_GROUPS else 1
        self.norm = nn.GroupNorm(groups, in_channels)
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b o d h w"]:
        """Apply the three steps."""
        return self._finish(convolve_normalised(self.norm, self.conv, x))

    def join(
        self, skip: Float[Tensor, "b c1 d h w"], coarse: Float[Tensor, "b c2 d1 h1 w1"]
    ) -> Float[Tensor, "b o d h w"]:
        """Apply the steps to the concatenation of skip and up-sampled coarse."""
        return self._finish(convolve_normalised_pair(self.norm, self.conv, skip, coarse))

    def _finish(self, x: Float[Tensor, "b o d h w"]) -> Float[Tensor, "b o d h w"]:
        return functional.relu_(x) if self.activation else x


class BatchUnit(nn.Module):
    """3x3x3 convolution without bias, batch normalisation, ReLU, in this order."""

    def __init__(self, in_channels: int, out_channels: int, *, activation: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm = GlobalBatchNorm(out_channels, track=True)
        self.activation = activation

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b o d h w"]:
        """Apply the three steps."""
        return self._finish(self.conv(x))

    def join(
        self, skip: Float[Tensor, "b c1 d h w"], coarse: Float[Tensor, "b c2 d1 h1 w1"]
    ) -> Float[Tensor, "b o d h w"]:
        """Apply the steps to the concatenation of skip and up-sampled coarse."""
        return self._finish(convolve_pair(self.conv, skip, coarse))

    def _finish(self, x: Float[Tensor, "b o d h w"]) -> Float[Tensor, "b o d h w"]:
        normalised = self.norm(x)
        return functional.relu(normalised) if self.activation else normalised


UnitForm = type[Unit] | type[BatchUnit]


def unit_form(normalisation: Normalisation, as_table_ii: UnitForm) -> UnitForm:
    """Choose the form; `as_table_ii` is the one with which this network has Table II's count."""
    named = {"group_before_convolution": Unit, "batch_after_convolution": BatchUnit}
    return named.get(normalisation, as_table_ii)
