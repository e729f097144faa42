"""The way back: from class scores on the training grid to the voxels of the scan.

Scores are interpolated, not labels: the border of an organ then runs between grid voxels, where
the scores of both sides balance. A few slices at a time: nine scores for each voxel of a whole
scan would take more than a gigabyte.

Axes: k classes, d h w the training grid, d0 h0 w0 the scan in the patient's frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8, UInt16
from torch import Tensor
from torch.nn import functional

from voxsiam.volumes.placement import Placement

BACKGROUND = 0
PROBABILITY_STEPS = 65535
"""Probabilities are stored as whole numbers of this part of 1."""

_SLAB = 8  # slices; fewer and larger operations wait less for each other's threads
_UNDECIDED = 255
_MAX_GATHERED = 0.15  # part of a slice up to which picking its voxels one by one is faster


def restore_classes(
    scores: Float32[Tensor, "k d h w"], placement: Placement
) -> UInt8[np.ndarray, "d0 h0 w0"]:
    """Return the class with the greatest score of every voxel of the scan.

    Equation: argmax_k of the trilinear interpolation of scores[k] at the voxel's centre, with
    half-voxel centres and clamped borders as in `resampling`. Between grid voxels that have the
    same winner nothing is interpolated: a mean of scores has the winner that all of them share.

    Args:
        scores: Probabilities, on any device; of equal ones the first class wins.

    Returns:
        Labels of the whole scan; background outside the placement's box.
    """
    native = np.full(placement.native_shape, BACKGROUND, dtype=np.uint8)
    part = native[placement.box]
    along_d, along_h, along_w = (
        _line(n_in, n_out, scores.device)
        for n_in, n_out in zip(scores.shape[1:], part.shape, strict=True)
    )
    by_voxel = scores.movedim(0, -1).contiguous()
    for start in range(0, len(part), _SLAB):
        slab = slice(start, start + _SLAB)
        part[slab] = _slab_classes(along_d.at(by_voxel, slab), along_h, along_w).cpu().numpy()
    return native


def restore_probabilities(
    probabilities: Float32[Tensor, "k d h w"], placement: Placement
) -> Iterator[UInt16[np.ndarray, "d0 h0 w0"]]:
    """Yield the probability in [0, 1] of one class after the other, in parts of 65535.

    Yields:
        Probabilities of the whole scan; outside the placement's box all is background.
    """
    for value, values in enumerate(probabilities):
        outside = PROBABILITY_STEPS if value == BACKGROUND else 0
        native = np.full(placement.native_shape, outside, dtype=np.uint16)
        part = native[placement.box]
        along_d = _line(len(values), len(part), values.device)
        for start in range(0, len(part), _SLAB):
            slab = slice(start, start + _SLAB)
            stretched = _stretch(along_d.at(values, slab), part.shape[1:])
            steps = (stretched * PROBABILITY_STEPS).round_().to(torch.int32)
            part[slab] = steps.cpu().numpy()
        yield native


@dataclass(frozen=True)
class _Line:
    """Between which two grid voxels each voxel of the scan lies along one axis, and how far."""

    low: Int64[Tensor, " n"]
    high: Int64[Tensor, " n"]
    weight: Float32[Tensor, " n"]

    def at(self, array: Tensor, part: slice) -> Tensor:
        """Interpolate along the first axis of an array, at some of the places."""
        weight = self.weight[part].view(-1, *[1] * (array.dim() - 1))
        return torch.lerp(array[self.low[part]], array[self.high[part]], weight)


def _line(n_in: int, n_out: int, device: torch.device) -> _Line:
    centres = (torch.arange(n_out, dtype=torch.float64, device=device) + 0.5) * n_in / n_out - 0.5
    positions = centres.clamp(0, n_in - 1)
    low = positions.floor().long()
    return _Line(low, (low + 1).clamp(max=n_in - 1), (positions - low).float())


def _slab_classes(
    planes: Float32[Tensor, "s h w k"], along_h: _Line, along_w: _Line
) -> UInt8[Tensor, "s h0 w0"]:
    winner = planes.argmax(-1).to(torch.uint8)
    left, right = winner[:, :, along_w.low], winner[:, :, along_w.high]
    agreed = torch.where(left == right, left, _UNDECIDED)
    above, below = agreed[:, along_h.low], agreed[:, along_h.high]
    classes = torch.where(above == below, above, _UNDECIDED)
    shares = (classes == _UNDECIDED).mean((1, 2), dtype=torch.float32)
    for index in (shares > _MAX_GATHERED).nonzero().flatten().tolist():
        stretched = _stretch(planes[index].movedim(-1, 0), classes.shape[1:])
        classes[index] = _greatest(stretched)
    places = (classes == _UNDECIDED).nonzero(as_tuple=True)
    if len(places[0]):
        classes[places] = _gathered_classes(planes, places, along_h, along_w)
    return classes


def _gathered_classes(
    planes: Float32[Tensor, "s h w k"],
    places: tuple[Int64[Tensor, " n"], ...],
    along_h: _Line,
    along_w: _Line,
) -> UInt8[Tensor, " n"]:
    slices, rows, columns = places
    _, height, width, classes = planes.shape
    flat = planes.reshape(-1, classes)
    left, right = along_w.low[columns], along_w.high[columns]
    sideways = along_w.weight[columns, None]
    upper, lower = (
        torch.lerp(flat[row + left], flat[row + right], sideways)
        for row in ((slices * height + edge[rows]) * width for edge in (along_h.low, along_h.high))
    )
    return torch.lerp(upper, lower, along_h.weight[rows, None]).argmax(-1).to(torch.uint8)


def _stretch(plane: Float32[Tensor, "k h w"], shape: tuple[int, ...]) -> Float32[Tensor, "k h0 w0"]:
    return functional.interpolate(plane[None].contiguous(), size=shape, mode="bilinear")[0]


def _greatest(scores: Float32[Tensor, "k h w"]) -> UInt8[Tensor, "h w"]:
    # Five times as fast as argmax over the first axis on a CPU.
    best = scores[0].clone()
    classes = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for value in range(1, len(scores)):
        classes.masked_fill_(scores[value] > best, value)
        torch.maximum(best, scores[value], out=best)
    return classes
