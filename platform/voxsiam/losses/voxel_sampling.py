"""Which voxels enter the feature loss: false negatives first (section IV-B).

"We sampled a maximum of 1700 features for each hidden layer. Further, we sampled more features
from false-negative data, where the maximum number was 1000." A voxel's place in the draw is a
hash of where and when it stands, so the draw is the same on one worker and on many.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from voxsiam.losses.config import SamplingConfig

Gather = Callable[[Tensor], Tensor]
"""Stacks equally long key tensors of all ranks; the identity in one process."""

_LARGEST = torch.iinfo(torch.int64).max
_MASK_63 = _LARGEST


def stream_seed(*parts: object) -> int:
    """Hash (seed, epoch, step, layer, case) to a number below 2^63 that names a random stream."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") & _MASK_63


def voxel_keys(stream: int, count: int, device: torch.device | str = "cpu") -> Int[Tensor, " n"]:
    """Return a random-looking 63-bit key for each voxel index 0..count-1 (splitmix64)."""
    x = torch.arange(1, count + 1, dtype=torch.int64, device=device) * _signed(0x9E3779B97F4A7C15)
    x = x + stream
    x = (x ^ _shift_right(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift_right(x, 27)) * _signed(0x94D049BB133111EB)
    return (x ^ _shift_right(x, 31)) & _MASK_63


@dataclass(frozen=True)
class Candidates:
    """The voxels of a layer on this rank.

    Attributes:
        keys: Place of each voxel in the draw; the smallest over all ranks win.
        false_negative: Where the current prediction is not the label's class.
    """

    keys: Int[Tensor, " n"]
    classes: Int[Tensor, " n"]
    false_negative: Bool[Tensor, " n"]
    eligible: Bool[Tensor, " n"]

    def subset(self, index: Int[Tensor, " m"]) -> "Candidates":
        """Keep some voxels."""
        fields = (self.keys, self.classes, self.false_negative, self.eligible)
        return Candidates(*(field[index] for field in fields))


def alone(keys: Tensor) -> Tensor:
    """Gather in a single process."""
    return keys


def draw_voxels(
    candidates: Candidates, num_classes: int, config: SamplingConfig, gather: Gather = alone
) -> Int[Tensor, " m"]:
    """Draw the voxels of one layer by the plan of the configuration.

    Returns:
        Indices of this rank's chosen voxels, ascending.
    """
    places = candidates.eligible.nonzero().squeeze(1)
    eligible = candidates.subset(places)
    if config.plan == "every_voxel":
        return places
    if config.plan == "uniform":
        chosen = draw_uniform(eligible.keys, config.max_voxels, gather)
    elif config.plan == "class_balanced":
        chosen = draw_evenly(
            eligible.keys, eligible.classes, num_classes, config.max_voxels, gather
        )
    else:
        chosen = sample_voxels(
            eligible.keys,
            eligible.false_negative,
            config.max_voxels,
            config.max_false_negatives,
            gather,
        )
    return places[chosen]


def draw_uniform(
    keys: Int[Tensor, " n"], max_voxels: int, gather: Gather = alone
) -> Int[Tensor, " m"]:
    """Choose up to `max_voxels` voxels, whatever they are."""
    limit = _limit(gather(_smallest(keys, max_voxels)), max_voxels)
    return (keys < limit).nonzero().squeeze(1)


def draw_evenly(
    keys: Int[Tensor, " n"],
    classes: Int[Tensor, " n"],
    num_classes: int,
    max_voxels: int,
    gather: Gather = alone,
) -> Int[Tensor, " m"]:
    """Choose up to max_voxels / num_classes voxels of each class; what a class lacks stays open."""
    quota = max(1, max_voxels // num_classes)
    ours = torch.cat([_smallest(keys[classes == c], quota) for c in range(num_classes)])
    ranks = gather(ours).view(-1, num_classes, quota)
    limits = torch.stack([_limit(ranks[:, c].flatten(), quota) for c in range(num_classes)])
    return (keys < limits[classes]).nonzero().squeeze(1)


def sample_voxels(
    keys: Int[Tensor, " n"],
    false_negative: Bool[Tensor, " n"],
    max_voxels: int,
    max_false_negatives: int,
    gather: Gather = alone,
) -> Int[Tensor, " m"]:
    """Choose up to `max_false_negatives` false negatives, then others up to `max_voxels`.

    Args:
        keys: Of this rank's voxels; the smallest keys over all ranks win.
        max_voxels: Budget of the layer over all ranks.
        max_false_negatives: Part of it that false negatives may take.

    Returns:
        Indices of this rank's chosen voxels, ascending. Others never make room for false
        negatives beyond their budget: where everything is wrong, only those are drawn.
    """
    budget = min(max_false_negatives, max_voxels)
    wrong = _smallest(keys[false_negative], budget)
    right = _smallest(keys[~false_negative], max_voxels)
    ranks = gather(torch.cat([wrong, right])).view(-1, budget + max_voxels)
    wrong_everywhere = ranks[:, :budget].flatten()
    taken = min(budget, int((wrong_everywhere < _LARGEST).sum()))
    wrong_limit = _limit(wrong_everywhere, taken)
    right_limit = _limit(ranks[:, budget:].flatten(), max_voxels - taken)
    limit = torch.where(false_negative, wrong_limit, right_limit)
    return (keys < limit).nonzero().squeeze(1)


def _smallest(keys: Int[Tensor, " n"], budget: int) -> Int[Tensor, " budget"]:
    """Keep the smallest keys, padded with the largest number to a fixed length."""
    kept = keys.topk(min(budget, keys.numel()), largest=False).values
    # Not functional.pad: it takes the number through a double, and 2^63 - 1 does not fit.
    return torch.cat([kept, kept.new_full((budget - kept.numel(),), _LARGEST)])


def _limit(keys: Int[Tensor, " n"], budget: int) -> Int[Tensor, ""]:
    """Return the number below which exactly the `budget` smallest keys lie (all, if fewer)."""
    if budget == 0:
        return keys.new_tensor(0)
    if budget > keys.numel():
        return keys.new_tensor(_LARGEST)
    value = keys.kthvalue(budget).values
    return torch.where(value < _LARGEST, value + 1, value)


def _signed(constant: int) -> int:
    """Read an unsigned 64-bit constant as the signed number with the same bits."""
    return constant - (1 << 64) if constant >= 1 << 63 else constant


def _shift_right(x: Int[Tensor, " n"], bits: int) -> Int[Tensor, " n"]:
    """Shift as if unsigned: int64's own shift would copy the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
