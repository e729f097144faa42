"""The base network of the paper: a 3D U-Net of four levels (Cicek et al. 2016).

With width 64 and nine outputs it has 16,319,211 parameters, of which 16,313,769 are the
convolutions' alone: the 16.313 M of Table II, whose counting tool left group normalisation out.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.blocks import DecoderLevel, EncoderLevel
from voxsiam.models.network import NetworkOutput


class UNet3D(nn.Module):
    """Four encoder levels of width, 2, 4 and 8 times width; three decoder levels; logits out.

    Args:
        width: Channels of the finest encoder level (64 in the paper).
        num_classes: Outputs, background included (9).
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.encoder = nn.ModuleList(
            EncoderLevel(i, o) for i, o in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            DecoderLevel(coarse + skip, skip)
            for coarse, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.output = nn.Conv3d(width, num_classes, kernel_size=1)
        self.feature_channels = tuple(widths[:0:-1])
        """Channels of F_1, F_2, F_3: encoder outputs before pooling, the deepest first."""

    def forward(self, image: Float[Tensor, "b 1 d h w"]) -> NetworkOutput:
        """Return the logits on the input's grid and the encoder features F_1, F_2, F_3.

        Any size of at least 8 voxels along each axis works: levels round down, and the decoder
        goes back to each skip's own size.
        """
        features: list[Tensor] = []
        x = image
        for level in self.encoder:
            x = level(functional.max_pool3d(x, 2) if features else x)
            features.append(x)
        for level, skip in zip(self.decoder, features[-2::-1], strict=True):
            x = level(x, skip)
        return NetworkOutput(self.output(x), tuple(features[:0:-1]))
