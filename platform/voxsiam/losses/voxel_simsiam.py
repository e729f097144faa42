"""Voxel SimSiam loss: voxels of one class predict each other (Eqs. 4 to 7).

Axes: n sampled voxels, f feature dimensions, k classes.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from voxsiam.losses.precision import at_least_float32

ClassWeights = Literal["inverse_frequency", "uniform"]


def class_sums(
    vectors: Float[Tensor, "n f"], classes: Int[Tensor, " n"], num_classes: int
) -> Float[Tensor, "k f"]:
    """Add the l2-normalised rows of each class; a class without rows sums to zero."""
    # Half precision loses the small angles that this loss lives on.
    unit = functional.normalize(at_least_float32(vectors), dim=1)
    member = functional.one_hot(classes.long(), num_classes).to(unit.dtype)
    return member.T @ unit


def class_counts(classes: Int[Tensor, " n"], num_classes: int) -> Int[Tensor, " k"]:
    """Count the rows of each class."""
    return torch.bincount(classes.long(), minlength=num_classes)


def class_weights(
    counts: Float[Tensor, " k"], kind: ClassWeights = "inverse_frequency"
) -> Float[Tensor, " k"]:
    """Weight each present class; the weights of the present classes add up to 1.

    Equation: w_c = (|P| / |P^c|) / sum_c (|P| / |P^c|), below Eq. 6; `uniform` is 1 / present
    classes (the row without weight of Table IV). An absent class weighs 0.
    """
    present = counts > 0
    share = present.to(counts.dtype) if kind == "uniform" else present / counts.clamp(min=1)
    return share / share.sum().clamp(min=torch.finfo(counts.dtype).tiny)


def voxel_simsiam_from_sums(
    prediction_sums: Float[Tensor, "k f"],
    target_sums: Float[Tensor, "k f"],
    counts: Float[Tensor, " k"],
    weights: Float[Tensor, " k"],
) -> Float[Tensor, ""]:
    """Return the loss from what each class sums to, in time and memory linear in voxels.

    Equation: L = - sum_c w_c / |P^c|^2 (sum_p p/|p|) . (sum_z z/|z|), which is Eq. 7 for one
    layer: the cosines of all pairs of a class add up to the product of the sums. Divided by the
    number of pairs, because the printed sum would weigh a class by its size squared.

    Args:
        prediction_sums: Of p, over the voxels of this rank or of all ranks.
        target_sums: Of z, over the voxels of all ranks. Receives no gradient.
        counts: Voxels of each class over all ranks, |P^c|.
        weights: w_c of each class.

    Returns:
        A value in [-1, 1], lower is better; 0 without voxels. Given one rank's prediction sums,
        that rank's share of the global loss.
    """
    pairs = counts.clamp(min=1).square()
    cosine = (prediction_sums * target_sums.detach()).sum(1) / pairs
    return -(weights * cosine).sum()


def voxel_simsiam_loss(
    prediction: Float[Tensor, "n f"],
    target: Float[Tensor, "n f"],
    classes: Int[Tensor, " n"],
    num_classes: int,
    kind: ClassWeights = "inverse_frequency",
) -> Float[Tensor, ""]:
    """Return the loss of one layer in a single process: mean -cos over all pairs of each class.

    Args:
        prediction: p of each sampled voxel.
        target: z of each sampled voxel. Receives no gradient.
        classes: Label of each sampled voxel.
        num_classes: Number of classes, background included.
        kind: How classes are weighted.

    Returns:
        A value in [-1, 1], lower is better; 0 when n = 0.
    """
    sums = class_sums(prediction, classes, num_classes)
    counts = class_counts(classes, num_classes).to(sums.dtype)
    targets = class_sums(target, classes, num_classes)
    return voxel_simsiam_from_sums(sums, targets, counts, class_weights(counts, kind))
