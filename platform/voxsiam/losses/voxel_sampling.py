"""Which voxels enter the feature loss: false negatives first (section IV-B).

"We sampled a maximum of 1700 features for each hidden layer. Further, we sampled more features
from false-negative data, where the maximum number was 1000." A voxel's place in the draw is a
hash of where and when it stands, so the draw is the same on one worker and on many.
"""

import hashlib
from collections.abc import Callable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

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


def sample_voxels(
    keys: Int[Tensor, " n"],
    false_negative: Bool[Tensor, " n"],
    max_voxels: int,
    max_false_negatives: int,
    gather: Callable[[Tensor], Tensor] = lambda keys: keys,
) -> Int[Tensor, " m"]:
    """Choose up to `max_false_negatives` false negatives, then others up to `max_voxels`.

    Args:
        keys: Of this rank's voxels; the smallest keys over all ranks win.
        false_negative: Where the current prediction is not the label's class.
        max_voxels: Budget of the layer over all ranks.
        max_false_negatives: Part of it that false negatives may take.
        gather: Stacks equally long key tensors of all ranks; the identity in one process.

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
