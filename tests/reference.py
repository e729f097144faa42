"""Literal slow copies of the formulas, loop by loop as the paper writes them."""

import math
from collections.abc import Sequence

import numpy as np


def cosine(p: Sequence[float], z: Sequence[float]) -> float:
    """p/|p| . z/|z|, the summand of Eq. 4."""
    dot = sum(a * b for a, b in zip(p, z, strict=True))
    return dot / (math.sqrt(sum(a * a for a in p)) * math.sqrt(sum(b * b for b in z)))


def voxel_simsiam(
    p: np.ndarray,
    z: np.ndarray,
    classes: Sequence[int],
    *,
    reduction: str = "mean",
    weights: str = "inverse_frequency",
    without_self: bool = False,
) -> float:
    """Eqs. 4 to 6 for one layer, pair by pair; by default the mean over the pairs of a class."""
    members = {c: [i for i, k in enumerate(classes) if k == c] for c in set(classes)}
    pairs = {
        c: [(i, j) for i in own for j in own if not (without_self and i == j)]
        for c, own in members.items()
    }
    present = sorted(c for c in pairs if pairs[c])
    frequency = {c: len(classes) / len(members[c]) for c in present}
    total = 0.0
    for c in present:
        w = {
            "inverse_frequency": frequency[c] / sum(frequency.values()),
            "uniform": 1 / len(present),
            "one": 1.0,
        }[weights]
        divisor = {
            "mean": len(pairs[c]),
            "sum": 1,
            "mean_per_anchor": len(members[c]),
            "global_mean": len(classes) ** 2,
        }[reduction]
        total += w * sum(cosine(p[i], z[j]) for i, j in pairs[c]) / divisor
    return -total


def supervised_contrastive(
    rows: np.ndarray,
    classes: Sequence[int],
    anchor: Sequence[bool],
    repels: np.ndarray,
    temperature: float,
) -> float:
    """The mean over anchors of ContrastiveSeg's Eq. 3, pair by pair."""
    losses = []
    indices = range(len(classes))
    for i in indices:
        if not anchor[i]:
            continue
        positives = [j for j in indices if anchor[j] and j != i and classes[j] == classes[i]]
        negatives = [n for n in indices if repels[n, classes[i]]]
        if not positives or not negatives:
            continue
        against = sum(math.exp(cosine(rows[i], rows[n]) / temperature) for n in negatives)
        terms = []
        for j in positives:
            own = math.exp(cosine(rows[i], rows[j]) / temperature)
            terms.append(-math.log(own / (own + against)))
        losses.append(sum(terms) / len(terms))
    return sum(losses) / len(losses) if losses else 0.0


def coarse_label(cell: np.ndarray, kind: str) -> int:
    """The class of one cell of s x s x s voxels."""
    values = [int(v) for v in cell.ravel()]
    if kind == "nearest":
        return int(cell[0, 0, 0])
    if kind == "centre":
        middle = cell.shape[0] // 2
        return int(cell[middle, middle, middle])
    if kind == "any_organ" and any(values):
        values = [v for v in values if v > 0]
    return min(set(values), key=lambda v: (-values.count(v), v))


def soft_dice_loss(
    logits: np.ndarray,
    labels: np.ndarray,
    epsilon: float,
    *,
    power: int = 2,
    first_class: int = 0,
    together: bool = False,
) -> list[float]:
    """Eq. 3 voxel by voxel, one minus it, summed over classes; logits b k n, labels b n."""
    losses = []
    for cases in [range(len(logits))] if together else [[case] for case in range(len(logits))]:
        num_classes, voxels = logits.shape[1:]
        loss = 0.0
        for c in range(first_class, num_classes):
            overlap = p_squared = g_squared = 0.0
            for case in cases:
                for i in range(voxels):
                    exponents = [math.exp(v) for v in logits[case, :, i]]
                    g = exponents[c] / sum(exponents)
                    p = 1.0 if labels[case, i] == c else 0.0
                    overlap += p * g
                    p_squared += p**power
                    g_squared += g**power
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
