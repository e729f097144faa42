"""Soft Dice loss over classes (Eq. 3)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from voxsiam.losses.precision import at_least_float32

EPSILON = 1e-4
"""Keeps a class that is in neither mask defined; the value of the authors' earlier code."""


def soft_dice_loss(
    logits: Float[Tensor, "b k d h w"], labels: Int[Tensor, "b d h w"]
) -> Float[Tensor, " b"]:
    """Return one minus the soft Dice score, summed over classes, for each case.

    Equation: L_b = sum_c (1 - 2 sum_i p_i^c g_i^c / (sum_i (p_i^c)^2 + sum_i (g_i^c)^2 + eps)),
    Eq. 3 with g = softmax(logits) and p the labels. Eq. 3 as printed is the score itself, which
    Eq. 8 would then minimise; docs/paper_map.md holds the reading.

    Returns:
        A value in [0, k] per case, background included; a class absent from the labels counts 1
        and gives no gradient.
    """
    probabilities = at_least_float32(logits).softmax(dim=1).flatten(2)
    index = labels.long().flatten(1).unsqueeze(1)
    shape = probabilities.shape[:2]
    overlap = probabilities.new_zeros(shape).scatter_add(
        1, index.squeeze(1), probabilities.gather(1, index).squeeze(1)
    )
    size = probabilities.new_zeros(shape).scatter_add(
        1, index.squeeze(1), torch.ones_like(probabilities[:, 0])
    )
    score = 2 * overlap / (probabilities.square().sum(2) + size + EPSILON)
    return (1 - score).sum(1)
