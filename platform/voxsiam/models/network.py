"""What every network returns, and how its parameters are counted."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class NetworkOutput(NamedTuple):
    """Logits on the input grid, and encoder features from the deepest level up."""

    logits: Float[Tensor, "b k d h w"]
    features: tuple[Float[Tensor, "b c _d _h _w"], ...]


def count_parameters(module: nn.Module) -> int:
    """Count all parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_parameters_as_paper(module: nn.Module) -> int:
    """Count as Table II does: convolutions and batch normalisation, not group normalisation."""
    skipped = sum(count_parameters(m) for m in module.modules() if isinstance(m, nn.GroupNorm))
    return count_parameters(module) - skipped
