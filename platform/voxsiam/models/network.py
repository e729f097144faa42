"""What every network takes and returns, how it runs, and how its parameters are counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.errors import UserError
from voxsiam.models.global_batch_norm import GlobalBatchNorm
from voxsiam.models.network_config import NetworkConfig

COUNTED_BY_PAPER = (nn.Conv3d, nn.ConvTranspose3d, GlobalBatchNorm)
"""Layers for which thop, the counting tool whose figures fit Table II, had a rule in 2021."""


class NetworkOutput(NamedTuple):
    """Logits on the input grid, and the outputs F_1, F_2, ... of all encoder levels, deepest first.

    They are taken before pooling (section III-B); the last has the input's size.
    """

    logits: Float[Tensor, "b k d h w"]
    features: tuple[Float[Tensor, "b c _d _h _w"], ...]


class Network(nn.Module):
    """Encoder levels of width, 2, 4, ... times width that halve the grid; a decoder; logits.

    A network builds its `encoder` (finest level first), `decoder` (coarsest first) and `output`,
    in the order in which their weights are drawn.

    Attributes:
        feature_channels: Of the encoder levels, deepest first.
        feature_strides: Input voxels per voxel of a level along an axis, deepest first.
    """

    encoder: nn.ModuleList
    decoder: nn.ModuleList
    output: nn.Conv3d

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.feature_strides = tuple(2**level for level in reversed(range(config.levels)))
        self.feature_channels = tuple(config.width * stride for stride in self.feature_strides)

    def forward(self, image: Float[Tensor, "b 1 d h w"]) -> NetworkOutput:
        """Return the logits on the input's grid and the features of all encoder levels.

        Any size of at least 2 ** (levels - 1) voxels along each axis works: levels round down, and
        the decoder goes back to each skip's own size.

        Raises:
            UserError: The volume is smaller: no voxel is left at the deepest level.
        """
        smallest = self.feature_strides[0]
        if min(image.shape[2:]) < smallest:
            size = " x ".join(map(str, image.shape[2:]))
            raise UserError(
                f"a volume of {size} voxels (d x h x w) is too small for a network of "
                f"{len(self.encoder)} levels",
                where="size of the volume or of the training grid",
                fix=f"each level but the first halves the grid, rounding down: give at least "
                f"{smallest} voxels along every axis",
            )
        features = self.encode(image)
        return NetworkOutput(self.output(self.decode(*features)), features)

    def encode(self, image: Float[Tensor, "b 1 d h w"]) -> tuple[Tensor, ...]:
        """Run the levels with 2x2x2 max-pooling between; return their outputs, deepest first."""
        features: list[Tensor] = []
        x = image
        for level in self.encoder:
            x = level(_pool(x) if features else x)
            features.append(x)
        return tuple(reversed(features))

    def decode(self, x: Tensor, *skips: Tensor) -> Tensor:
        """Join the deepest map with the skips, coarsest first."""
        for level, skip in zip(self.decoder, skips, strict=True):
            x = level(x, skip)
        return x


def _pool(x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b c d2 h2 w2"]:
    # On CPU autocast would make a float32 copy first: 3 % of the step, for a maximum that rounds
    # nothing.
    with torch.autocast("cpu", enabled=False):
        return functional.max_pool3d(x, 2)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Let batch normalisation use its running statistics, and put the training mode back."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def count_parameters(module: nn.Module) -> int:
    """Count all parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_parameters_as_paper(module: nn.Module) -> int:
    """Count as Table II does: convolutions and batch normalisation, not group normalisation."""
    return sum(count_parameters(m) for m in module.modules() if isinstance(m, COUNTED_BY_PAPER))
