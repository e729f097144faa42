"""Literal slow copies of the formulas, loop by loop as the paper writes them."""

import math
from collections.abc import Sequence

import numpy as np


def cosine(p: Sequence[float], z: Sequence[float]) -> float:
    """p/|p| . z/|z|, the summand of Eq. 4."""
    dot = sum(a * b for a, b in zip(p, z, strict=True))
    return dot / (math.sqrt(sum(a * a for a in p)) * math.sqrt(sum(b * b for b in z)))


def voxel_simsiam(
    p: np.ndarray, z: np.ndarray, classes: Sequence[int], *, uniform: bool = False
) -> float:
    """Eqs. 4 to 6 for one layer, pair by pair, with the mean over the pairs of a class."""
    present = sorted(set(classes))
    sizes = {c: sum(1 for k in classes if k == c) for c in present}
    inverse = {c: 1.0 if uniform else len(classes) / sizes[c] for c in present}
    total = 0.0
    for c in present:
        members = [i for i, k in enumerate(classes) if k == c]
        pairs = [cosine(p[i], z[j]) for i in members for j in members]
        total += inverse[c] / sum(inverse.values()) * sum(pairs) / len(pairs)
    return -total


def soft_dice_loss(logits: np.ndarray, labels: np.ndarray, epsilon: float) -> list[float]:
    """Eq. 3 voxel by voxel, one minus it, summed over classes; logits b k n, labels b n."""
    losses = []
    for case in range(len(logits)):
        num_classes, voxels = logits.shape[1:]
        loss = 0.0
        for c in range(num_classes):
            overlap = p_squared = g_squared = 0.0
            for i in range(voxels):
                exponents = [math.exp(v) for v in logits[case, :, i]]
                g = exponents[c] / sum(exponents)
                p = 1.0 if labels[case, i] == c else 0.0
                overlap += p * g
                p_squared += p * p
                g_squared += g * g
            loss += 1 - 2 * overlap / (p_squared + g_squared + epsilon)
        losses.append(loss)
    return losses


def sample_voxels(
    keys: Sequence[int], wrong: Sequence[bool], max_voxels: int, max_wrong: int
) -> list[int]:
    """False negatives first, by ascending key, then the others up to the budget."""
    order = sorted(range(len(keys)), key=lambda i: keys[i])
    first = [i for i in order if wrong[i]][: min(max_wrong, max_voxels)]
    rest = [i for i in order if not wrong[i]][: max_voxels - len(first)]
    return sorted(first + rest)


def splitmix64(stream: int, index: int) -> int:
    """The published splitmix64 step in unbounded integers, cut to 63 bits."""
    mask = (1 << 64) - 1
    x = (index * 0x9E3779B97F4A7C15 + stream) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return (x ^ (x >> 31)) & ((1 << 63) - 1)
