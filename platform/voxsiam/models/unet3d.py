"""The base network of the paper: a 3D U-Net of four levels (Cicek et al. 2016).

With width 64 and nine outputs it has 16,319,211 parameters, of which 16,313,769 are the
convolutions' alone: the 16.313 M of Table II, whose counting tool left group normalisation out.
"""

from torch import nn

from voxsiam.models.blocks import Unit, unit_form
from voxsiam.models.levels import build_levels
from voxsiam.models.network import Network
from voxsiam.models.network_config import NetworkConfig


class UNet3D(Network):
    """Four encoder levels, three decoder levels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        form = unit_form(config.normalisation, Unit)
        self.encoder, self.decoder = build_levels(form, self.feature_channels)
        self.output = nn.Conv3d(config.width, config.num_classes, kernel_size=1)
