"""Voxel SimSiam loss of one level: voxels of one class predict each other (Eqs. 4 to 7).

The sum over levels with their weights w_f is in `training/simsiam_relation.py`.

Axes: n sampled voxels, f feature dimensions, k classes.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from voxsiam.losses.config import ClassWeights, PairReduction, SimSiamConfig
from voxsiam.losses.precision import at_least_float32


def unit_rows(vectors: Float[Tensor, "n f"]) -> Float[Tensor, "n f"]:
    """Divide each row by its l2 norm, in float32 or better."""
    # Half precision loses the small angles that this loss lives on.
    return functional.normalize(at_least_float32(vectors), dim=1)


def class_sums(
    vectors: Float[Tensor, "n f"], classes: Int[Tensor, " n"], num_classes: int
) -> Float[Tensor, "k f"]:
    """Add the l2-normalised rows of each class; a class without rows sums to zero."""
    unit = unit_rows(vectors)
    member = functional.one_hot(classes.long(), num_classes).to(unit.dtype)
    return member.T @ unit


def self_pair_sums(
    prediction: Float[Tensor, "n f"],
    target: Float[Tensor, "n f"],
    classes: Int[Tensor, " n"],
    num_classes: int,
) -> Float[Tensor, " k"]:
    """Add cos(p_i, z_i), the pairs of a voxel with itself, over the voxels of each class."""
    cosine = (unit_rows(prediction) * unit_rows(target.detach())).sum(1)
    return cosine.new_zeros(num_classes).index_add(0, classes.long(), cosine)


def class_counts(classes: Int[Tensor, " n"], num_classes: int) -> Int[Tensor, " k"]:
    """Count the rows of each class."""
    return torch.bincount(classes.long(), minlength=num_classes)


def class_weights(
    frequency: Float[Tensor, "*l k"],
    present: Bool[Tensor, "*l k"],
    kind: ClassWeights = "inverse_frequency",
) -> Float[Tensor, "*l k"]:
    """Weight each present class; the weights of the present classes add up to 1.

    Equation: w_c = (|P| / |P^c|) / sum_c (|P| / |P^c|), below Eq. 6; `uniform` is 1 / present
    classes (the row without weight of Table IV), `one` is 1 and does not add up. An absent class
    weighs 0.

    Args:
        frequency: |P^c|; at least 1 where a class is present.
    """
    if kind == "one":
        return present.to(frequency.dtype)
    share = present / (frequency.clamp(min=1) if kind == "inverse_frequency" else 1.0)
    share = share.to(frequency.dtype)
    return share / share.sum(-1, keepdim=True).clamp(min=torch.finfo(share.dtype).tiny)


class PairSums(NamedTuple):
    """What a class sums to; the loss of a layer needs no more.

    Attributes:
        prediction: Sum of p/|p|, over the voxels of this rank or of all ranks.
        target: Sum of z/|z|, over the voxels of all ranks. Receives no gradient.
        self_pairs: Sum of cos(p_i, z_i) over the same voxels as `prediction`; None where a voxel
            is a pair with itself like with any other.
        counts: Voxels of each class over all ranks, |P^c|.
    """

    prediction: Float[Tensor, "*l k f"]
    target: Float[Tensor, "*l k f"]
    self_pairs: Float[Tensor, "*l k"] | None
    counts: Float[Tensor, "*l k"]

    @property
    def present(self) -> Bool[Tensor, "*l k"]:
        """Tell which classes have a pair."""
        return self.counts > (0 if self.self_pairs is None else 1)


def voxel_simsiam_from_sums(
    sums: PairSums, weights: Float[Tensor, "*l k"], reduction: PairReduction = "mean"
) -> Float[Tensor, "*l"]:
    """Return the loss from what each class sums to, in time and memory linear in voxels.

    Equation: L = - sum_c w_c / |P^c|^2 (sum_p p/|p|) . (sum_z z/|z|), which is Eq. 7 for one
    layer: the cosines of all pairs of a class add up to the product of the sums. Divided by the
    number of pairs, because the printed sum would weigh a class by its size squared; `sum`,
    `mean_per_anchor` and `global_mean` divide by 1, |P^c| and |P|^2 instead. Without the pairs
    (i, i) their cosines are subtracted and |P^c| (|P^c| - 1) pairs are left.

    Returns:
        For `mean` a value in [-1, 1], lower is better; 0 without voxels. Given one rank's
        prediction sums, that rank's share of the global loss.
    """
    cosine = (sums.prediction * sums.target.detach()).sum(-1)
    if sums.self_pairs is not None:
        cosine = (cosine - sums.self_pairs) * sums.present
    return -(weights * cosine / _divisor(sums, reduction)).sum(-1)


def _divisor(sums: PairSums, reduction: PairReduction) -> Float[Tensor, "*l #k"]:
    counts = sums.counts.clamp(min=1)
    if reduction == "sum":
        return torch.ones_like(counts)
    if reduction == "mean_per_anchor":
        return counts
    if reduction == "global_mean":
        return sums.counts.sum(-1, keepdim=True).clamp(min=1).square()
    return (counts * (counts if sums.self_pairs is None else counts - 1)).clamp(min=1)


def voxel_simsiam_loss(
    prediction: Float[Tensor, "n f"],
    target: Float[Tensor, "n f"],
    classes: Int[Tensor, " n"],
    num_classes: int,
    config: SimSiamConfig = SimSiamConfig(),
) -> Float[Tensor, ""]:
    """Return the loss of one layer in a single process: mean -cos over all pairs of each class.

    Args:
        prediction: p of each sampled voxel.
        target: z of each sampled voxel. Receives no gradient.
        config: Its pair reduction, class weights and self pairs are used.

    Returns:
        By default a value in [-1, 1], lower is better; 0 when n = 0.
    """
    ours = class_sums(prediction, classes, num_classes)
    own_pairs = config.exclude_self_pairs
    sums = PairSums(
        prediction=ours,
        target=class_sums(target, classes, num_classes),
        self_pairs=self_pair_sums(prediction, target, classes, num_classes) if own_pairs else None,
        counts=class_counts(classes, num_classes).to(ours.dtype),
    )
    weights = class_weights(sums.counts, sums.present, config.class_weights)
    return voxel_simsiam_from_sums(sums, weights, config.pair_reduction)


def class_cosines(
    target_sums: Float[Tensor, "k f"], counts: Float[Tensor, " k"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the mean cosine within classes and between classes: a collapse shows as both near 1.

    Equation: with m_c = sum_z z/|z| / n_c, the mean over classes of m_c . m_c (self pairs
    included) and over pairs of classes of m_c . m_c'. Both in [-1, 1]; NaN with no class, or
    with a single one, to compare.
    """
    means = (target_sums / counts.clamp(min=1).unsqueeze(1))[counts > 0]
    table = means @ means.T
    num_present = len(means)
    within = table.diagonal().sum()
    return within / num_present, (table.sum() - within) / (num_present * (num_present - 1))
