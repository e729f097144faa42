"""Residual 3D U-Net of five levels (Lee et al. 2017, arXiv 1706.00120), with summed skips.

With width 64 and nine outputs it has 141,244,875 parameters, 141,229,257 without group
normalisation: the 141.229 M of Table II.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.blocks import GROUP_BEFORE, UnitForm, unit_form
from voxsiam.models.levels import encode, repeat_edge
from voxsiam.models.network import NetworkOutput, level_strides, require_size
from voxsiam.models.network_config import NetworkConfig


class ResidualBlock(nn.Module):
    """y = ReLU(c(b(a(x))) + a(x)): units a and b, and a unit c without ReLU."""

    def __init__(self, form: UnitForm, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = form.unit(in_channels, out_channels)
        self.second = form.unit(out_channels, out_channels)
        self.third = form.linear(out_channels, out_channels)

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


class ResidualUNet3D(nn.Module):
    """Five encoder levels of width, 2, 4, 8 and 16 times width; four decoder levels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        form = unit_form(config.normalisation, as_table_ii=GROUP_BEFORE)
        widths = tuple(config.width * factor for factor in (1, 2, 4, 8, 16))
        self.encoder = nn.ModuleList(
            ResidualBlock(form, i, o) for i, o in zip((1, *widths[:-1]), widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            ResidualDecoderLevel(form, coarse, skip)
            for coarse, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.output = nn.Conv3d(config.width, config.num_classes, kernel_size=1)
        self.feature_channels = widths[::-1]
        self.feature_strides = level_strides(len(widths))

    def forward(self, image: Float[Tensor, "b 1 d h w"]) -> NetworkOutput:
        """Return the logits on the input's grid and the features of all encoder levels.

        Any size of at least 16 voxels along each axis works.

        Raises:
            UserError: The volume is smaller.
        """
        require_size(image, len(self.encoder))
        x, *skips = features = encode(self.encoder, image)
        for level, skip in zip(self.decoder, skips, strict=True):
            x = level(x, skip)
        return NetworkOutput(self.output(x), features)
