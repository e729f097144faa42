"""VNet as in UA-MT (Yu et al. 2019, arXiv 1907.07034): 3x3x3 convolutions, summed skips.

With width 16 and nine outputs it has 9,448,985 parameters: the 9.449 M of Table II. The VNet of
Milletari et al. 2016, with 5x5x5 convolutions and 45.6 M, is another network.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.models.global_batch_norm import GlobalBatchNorm
from voxsiam.models.levels import repeat_edge
from voxsiam.models.network import Network
from voxsiam.models.network_config import NetworkConfig

CONVOLUTIONS = (1, 2, 3, 3, 3)
"""Of each encoder level, finest first; a decoder level has as many as its skip's level."""


class VNet(Network):
    """Five encoder levels, four decoder levels.

    Every convolution but the last has a bias and is followed by batch normalisation and ReLU;
    strided convolutions lead down and transposed ones up.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        widths = self.feature_channels[::-1]
        stages = list(zip(widths, CONVOLUTIONS, strict=True))
        self.encoder = nn.ModuleList(
            _stage(width, count, in_channels=1 if width == config.width else width)
            for width, count in stages
        )
        self.down = nn.ModuleList(
            _normalised(nn.Conv3d(i, o, kernel_size=2, stride=2), o) for i, o in pairwise(widths)
        )
        self.up = nn.ModuleList(
            _normalised(nn.ConvTranspose3d(i, o, kernel_size=2, stride=2), o)
            for i, o in pairwise(widths[::-1])
        )
        self.decoder = nn.ModuleList(_stage(width, count, width) for width, count in stages[-2::-1])
        self.output = nn.Conv3d(config.width, config.num_classes, kernel_size=1)

    def encode(self, image: Float[Tensor, "b 1 d h w"]) -> tuple[Tensor, ...]:
        """Run the levels with strided convolutions between; return their outputs, deepest first."""
        features: list[Tensor] = [self.encoder[0](image)]
        for down, stage in zip(self.down, self.encoder[1:], strict=True):
            features.append(stage(down(features[-1])))
        return tuple(reversed(features))

    def decode(self, x: Tensor, *skips: Tensor) -> Tensor:
        """Add the skips to what comes up from the deepest map, coarsest first."""
        for up, stage, skip in zip(self.up, self.decoder, skips, strict=True):
            x = stage(repeat_edge(up(x), skip.shape[2:]) + skip)
        return x


def _stage(width: int, convolutions: int, in_channels: int) -> nn.Sequential:
    channels = [in_channels, *[width] * convolutions]
    steps = (_normalised(nn.Conv3d(i, o, 3, padding=1), o) for i, o in pairwise(channels))
    return nn.Sequential(*steps)


def _normalised(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, GlobalBatchNorm(channels, track=True), nn.ReLU())
