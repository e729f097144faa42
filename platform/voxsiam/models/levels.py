"""The levels of the U-Nets, and the ways between two levels of any network."""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.models.blocks import BatchUnit, Unit, UnitForm

BuildLevel = Callable[[UnitForm, int, int], nn.Module]


class EncoderLevel(nn.Sequential):
    """Two units; the first has max(out / 2, in) channels."""

    def __init__(self, form: UnitForm, in_channels: int, out_channels: int) -> None:
        middle = max(out_channels // 2, in_channels)
        super().__init__(form(in_channels, middle), form(middle, out_channels))


class DecoderLevel(nn.Module):
    """Nearest-neighbour up-sampling to the skip's size, concatenation (skip first), two units."""

    def __init__(self, form: UnitForm, in_channels: int, skip_channels: int) -> None:
        super().__init__()
        self.units = nn.Sequential(
            form(in_channels + skip_channels, skip_channels),
            form(skip_channels, skip_channels),
        )

    def forward(
        self, x: Float[Tensor, "b c1 d1 h1 w1"], skip: Float[Tensor, "b c2 d h w"]
    ) -> Float[Tensor, "b o d h w"]:
        """Join the coarser map x with the skip of the same level."""
        first: Unit | BatchUnit = self.units[0]  # pyright: ignore[reportAssignmentType]
        return self.units[1](first.join(skip, x))


def build_levels(
    form: UnitForm,
    channels: tuple[int, ...],
    encoder: BuildLevel = EncoderLevel,
    decoder: BuildLevel = DecoderLevel,
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Build the encoder levels, finest first, and the decoder levels, coarsest first.

    Args:
        channels: Of the encoder levels, deepest first.
    """
    down, up = pairwise((1, *channels[::-1])), pairwise(channels)
    return (
        nn.ModuleList(encoder(form, finer, coarser) for finer, coarser in down),
        nn.ModuleList(decoder(form, coarser, finer) for coarser, finer in up),
    )


def repeat_edge(
    x: Float[Tensor, "b c d1 h1 w1"], size: tuple[int, ...]
) -> Float[Tensor, "b c d h w"]:
    """Lengthen x by its last slice along each axis on which it is shorter than size.

    Levels halve rounding down, so twice a level is the next finer one or one voxel short of it.
    """
    for axis, wanted in enumerate(size, start=2):
        if x.shape[axis] < wanted:
            x = torch.cat([x, x.narrow(axis, x.shape[axis] - 1, 1)], dim=axis)
    return x
