"""What every network returns, and the way from a configuration to a network."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn


class NetworkOutput(NamedTuple):
    """Logits on the input grid, and encoder features from the deepest level up."""

    logits: Float[Tensor, "b k d h w"]
    features: tuple[Float[Tensor, "b c _d _h _w"], ...]


@runtime_checkable
class Network(Protocol):
    """A segmentation network to which the feature loss can be attached."""

    feature_channels: tuple[int, ...]

    def __call__(self, image: Float[Tensor, "b 1 d h w"]) -> NetworkOutput:
        """Segment a batch."""
        ...


def count_parameters(module: nn.Module) -> int:
    """Count all parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_parameters_as_paper(module: nn.Module) -> int:
    """Count as Table II does: convolutions and batch normalisation, not group normalisation."""
    skipped = sum(count_parameters(m) for m in module.modules() if isinstance(m, nn.GroupNorm))
    return count_parameters(module) - skipped
