"""The levels of the U-Nets, and the ways between two levels of any network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.models.blocks import BatchUnit, Unit, UnitForm


class EncoderLevel(nn.Sequential):
    """Two units; the first has max(out / 2, in) channels."""

    def __init__(self, form: UnitForm, in_channels: int, out_channels: int) -> None:
        middle = max(out_channels // 2, in_channels)
        super().__init__(form.unit(in_channels, middle), form.unit(middle, out_channels))


class DecoderLevel(nn.Module):
    """Nearest-neighbour up-sampling to the skip's size, concatenation (skip first), two units."""

    def __init__(self, form: UnitForm, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.units = nn.Sequential(
            form.unit(in_channels, out_channels), form.unit(out_channels, out_channels)
        )

    def forward(
        self, x: Float[Tensor, "b c1 d1 h1 w1"], skip: Float[Tensor, "b c2 d h w"]
    ) -> Float[Tensor, "b o d h w"]:
        """Join the coarser map x with the skip of the same level."""
        first: Unit | BatchUnit = self.units[0]  # pyright: ignore[reportAssignmentType]
        return self.units[1](first.join(skip, x))


def u_net_levels(form: UnitForm, widths: tuple[int, ...]) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Build the encoder levels, finest first, and the decoder levels, coarsest first."""
    encoder = nn.ModuleList(
        EncoderLevel(form, i, o) for i, o in zip((1, *widths[:-1]), widths, strict=True)
    )
    decoder = nn.ModuleList(
        DecoderLevel(form, coarse + skip, skip)
        for coarse, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
    )
    return encoder, decoder


def encode(encoder: nn.ModuleList, image: Float[Tensor, "b 1 d h w"]) -> tuple[Tensor, ...]:
    """Run the levels with 2x2x2 max-pooling between; return their outputs, deepest first."""
    features: list[Tensor] = []
    x = image
    for level in encoder:
        x = level(_pool(x) if features else x)
        features.append(x)
    return tuple(reversed(features))


def _pool(x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b c d2 h2 w2"]:
    # On CPU autocast would make a float32 copy first: 3 % of the step, for a maximum that rounds
    # nothing.
    with torch.autocast("cpu", enabled=False):
        return functional.max_pool3d(x, 2)


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
