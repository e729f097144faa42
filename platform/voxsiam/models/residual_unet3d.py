"""Residual 3D U-Net of five levels (Lee et al. 2017, arXiv 1706.00120), with summed skips.

With width 64 and nine outputs it has 141,244,875 parameters, 141,229,257 without group
normalisation: the 141.229 M of Table II.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.blocks import Unit, UnitForm, unit_form
from voxsiam.models.levels import build_levels, repeat_edge
from voxsiam.models.network import Network
from voxsiam.models.network_config import NetworkConfig


class ResidualBlock(nn.Module):
    """y = ReLU(c(b(a(x))) + a(x)): units a and b, and a unit c without ReLU."""

    def __init__(self, form: UnitForm, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = form(in_channels, out_channels)
        self.second = form(out_channels, out_channels)
        self.third = form(out_channels, out_channels, activation=False)

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b o d h w"]:
        """Add what two more convolutions find to the output of the first unit."""
        first = self.first(x)
        return functional.relu(self.third(self.second(first)) + first)


class ResidualDecoderLevel(nn.Module):
    """Transposed convolution to the skip's size, sum with the skip, residual block."""

    def __init__(self, form: UnitForm, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(
            in_channels, out_channels, kernel_size=3, stride=2, padding=1, output_padding=1
        )
        self.block = ResidualBlock(form, out_channels, out_channels)

    def forward(
        self, x: Float[Tensor, "b c1 d1 h1 w1"], skip: Float[Tensor, "b o d h w"]
    ) -> Float[Tensor, "b o d h w"]:
        """Join the coarser map x with the skip of the same level."""
        return self.block(repeat_edge(self.up(x), skip.shape[2:]) + skip)


class ResidualUNet3D(Network):
    """Five encoder levels, four decoder levels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        form, channels = unit_form(config.normalisation, Unit), self.feature_channels
        self.encoder, self.decoder = build_levels(
            form, channels, ResidualBlock, ResidualDecoderLevel
        )
        self.output = nn.Conv3d(config.width, config.num_classes, kernel_size=1)
