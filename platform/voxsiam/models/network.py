"""What every network takes and returns, and how its parameters are counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.errors import UserError
from voxsiam.models.global_batch_norm import GlobalBatchNorm

COUNTED_BY_PAPER = (nn.Conv3d, nn.ConvTranspose3d, GlobalBatchNorm)
"""Layers for which thop, the counting tool whose figures fit Table II, had a rule in 2021."""


class NetworkOutput(NamedTuple):
    """Logits on the input grid, and the outputs F_1, F_2, ... of all encoder levels, deepest first.

    They are taken before pooling (section III-B); the last has the input's size.
    """

    logits: Float[Tensor, "b k d h w"]
    features: tuple[Float[Tensor, "b c _d _h _w"], ...]


def level_strides(levels: int) -> tuple[int, ...]:
    """Return the input voxels per feature voxel along an axis, deepest level first."""
    return tuple(2**level for level in reversed(range(levels)))


def require_size(image: Float[Tensor, "b 1 d h w"], levels: int) -> None:
    """Refuse a volume that has no voxel left at the deepest level.

    Raises:
        UserError: An axis is shorter than 2 ** (levels - 1) voxels.
    """
    smallest = 2 ** (levels - 1)
    if min(image.shape[2:]) < smallest:
        size = " x ".join(map(str, image.shape[2:]))
        raise UserError(
            f"a volume of {size} voxels (d x h x w) is too small for a network of {levels} levels",
            where="size of the volume or of the training grid",
            fix=f"each level but the first halves the grid, rounding down: give at least "
            f"{smallest} voxels along every axis",
        )


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
