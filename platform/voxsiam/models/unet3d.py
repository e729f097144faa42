"""The base network of the paper: a 3D U-Net of four levels (Cicek et al. 2016).

With width 64 and nine outputs it has 16,319,211 parameters, of which 16,313,769 are the
convolutions' alone: the 16.313 M of Table II, whose counting tool left group normalisation out.
"""

from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.models.blocks import GROUP_BEFORE, unit_form
from voxsiam.models.levels import encode, u_net_levels
from voxsiam.models.network import NetworkOutput, level_strides, require_size
from voxsiam.models.network_config import NetworkConfig


class UNet3D(nn.Module):
    """Four encoder levels of width, 2, 4 and 8 times width; three decoder levels; logits out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        form = unit_form(config.normalisation, as_table_ii=GROUP_BEFORE)
        widths = tuple(config.width * factor for factor in (1, 2, 4, 8))
        self.encoder, self.decoder = u_net_levels(form, widths)
        self.output = nn.Conv3d(config.width, config.num_classes, kernel_size=1)
        self.feature_channels = widths[::-1]
        self.feature_strides = level_strides(len(widths))

    def forward(self, image: Float[Tensor, "b 1 d h w"]) -> NetworkOutput:
        """Return the logits on the input's grid and the features of all encoder levels.

        Any size of at least 8 voxels along each axis works: levels round down, and the decoder
        goes back to each skip's own size.

        Raises:
            UserError: The volume is smaller.
        """
        require_size(image, len(self.encoder))
        x, *skips = features = encode(self.encoder, image)
        for level, skip in zip(self.decoder, skips, strict=True):
            x = level(x, skip)
        return NetworkOutput(self.output(x), features)
