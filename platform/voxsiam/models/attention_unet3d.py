"""Attention U-Net: the base U-Net with a grid gate on each skip.

Oktay et al. 2018 (arXiv 1804.03999); Schlemper et al. 2019 (arXiv 1808.08114).
With width 64 and nine outputs it has 16,836,332 parameters: the 16.836 M of Table II.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.blocks import BatchUnit, unit_form
from voxsiam.models.global_batch_norm import GlobalBatchNorm
from voxsiam.models.levels import build_levels
from voxsiam.models.network import Network
from voxsiam.models.network_config import NetworkConfig


class AttentionGate(nn.Module):
    """Weigh the skip x by what the coarser map g makes of it.

    alpha = sigmoid(psi(ReLU(theta(x) + phi(g)))), y = norm(out(alpha * x)), with alpha brought to
    the size of x by trilinear interpolation (Oktay et al. 2018, Eqs. 1 and 2).

    Args:
        skip_channels: Of x; half as many lie between.
    """

    def __init__(self, skip_channels: int, gate_channels: int) -> None:
        super().__init__()
        between = max(skip_channels // 2, 1)
        self.theta = nn.Conv3d(skip_channels, between, kernel_size=2, stride=2, bias=False)
        self.phi = nn.Conv3d(gate_channels, between, kernel_size=1)
        self.psi = nn.Conv3d(between, 1, kernel_size=1)
        self.out = nn.Conv3d(skip_channels, skip_channels, kernel_size=1)
        self.norm = GlobalBatchNorm(skip_channels, track=True)

    def forward(
        self, x: Float[Tensor, "b c d h w"], g: Float[Tensor, "b c1 d1 h1 w1"]
    ) -> Float[Tensor, "b c d h w"]:
        """Return the gated skip."""
        # theta halves rounding down as the encoder does, so both maps have the size of g.
        attention = torch.sigmoid(self.psi(functional.relu(self.theta(x) + self.phi(g))))
        weights = functional.interpolate(attention, size=x.shape[2:], mode="trilinear")
        return self.norm(self.out(weights * x))


class AttentionUNet3D(Network):
    """The levels of `UNet3D`; the decoder joins gated skips.

    The gates keep their batch normalisation whatever the form of the units.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        form, channels = unit_form(config.normalisation, BatchUnit), self.feature_channels
        self.encoder, self.decoder = build_levels(form, channels)
        self.gates = nn.ModuleList(
            AttentionGate(skip, coarse) for coarse, skip in pairwise(channels)
        )
        self.output = nn.Conv3d(config.width, config.num_classes, kernel_size=1)

    def decode(self, x: Tensor, *skips: Tensor) -> Tensor:
        """Join the deepest map with the gated skips, coarsest first."""
        for gate, level, skip in zip(self.gates, self.decoder, skips, strict=True):
            x = level(x, gate(skip, x))
        return x
