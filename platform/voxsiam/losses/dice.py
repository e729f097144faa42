"""Soft Dice loss over classes (Eq. 3).

Sums come first and the loss is made from them, so that the sums of several ranks can be added in
between.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from voxsiam.losses.config import DiceConfig
from voxsiam.losses.precision import at_least_float32


def dice_sums(
    logits: Float[Tensor, "b k d h w"], labels: Int[Tensor, "b d h w"], config: DiceConfig
) -> Float[Tensor, "2 b k"]:
    """Add up overlap and size of each class in each case.

    Equation: overlap = sum_i p_i^c g_i^c and size = sum_i (p_i^c)^2 + sum_i (g_i^c)^2, or without
    the squares, with g = softmax(logits) and p the labels.
    """
    # Over the classes of channels_last maps softmax is five times slower.
    probabilities = at_least_float32(logits.contiguous()).softmax(dim=1).flatten(2)
    index = labels.long().flatten(1)
    squared = config.denominators == "squared"
    overlap, in_prediction = _ClassSums.apply(probabilities, index, squared)
    in_label = _sums_by_label(torch.ones_like(probabilities[:, 0]), index, probabilities.shape[1])
    return torch.stack([overlap, in_prediction + in_label])


class _ClassSums(Function):
    """Sums of probabilities where they are the label's, and of all or their squares.

    Its gradient is made in one pass; autograd's own takes six, a twentieth of the training step.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        probabilities: Float[Tensor, "b k n"],
        labels: Int[Tensor, "b n"],
        squared: bool,
    ) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
        ctx.save_for_backward(probabilities, labels)
        ctx.squared = squared
        of_label = probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
        overlap = _sums_by_label(of_label, labels, probabilities.shape[1])
        if squared:
            return overlap, torch.linalg.vecdot(probabilities, probabilities)
        return overlap, probabilities.sum(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Float[Tensor, "b k"]) -> tuple[Tensor, None, None]:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        probabilities, labels = ctx.saved_tensors
        to_overlap, to_sum = gradients
        if ctx.squared:
            gradient = probabilities * (2 * to_sum).unsqueeze(2)
        else:
            gradient = to_sum.unsqueeze(2).expand_as(probabilities).clone()
        of_label = to_overlap.gather(1, labels).unsqueeze(1)
        return gradient.scatter_add_(1, labels.unsqueeze(1), of_label), None, None


def _sums_by_label(
    values: Float[Tensor, "b n"], labels: Int[Tensor, "b n"], num_classes: int
) -> Float[Tensor, "b k"]:
    """Add up the values of each label; not by scatter_add, which adds one by one.

    A million float32 probabilities added one by one come out a percent wrong.
    """
    return torch.stack([(values * (labels == c)).sum(1) for c in range(num_classes)], dim=1)


def dice_loss_from_sums(
    sums: Float[Tensor, "2 *b k"], config: DiceConfig, counted: Bool[Tensor, "*b k"] | None = None
) -> Float[Tensor, "*b"]:
    """Return the loss of each case, or of the whole batch, from its sums.

    Equation: sum_c (1 - 2 overlap_c / (size_c + eps)), Eq. 3 read as a loss; without the ones
    for `negative_score`, divided by the number of classes for `mean`.

    Args:
        sums: See `dice_sums`; of one case, of several, or of a batch together.
        counted: Classes that enter c; all where it is None. At least one must.

    Returns:
        A value in [0, k] by default; a class absent from the labels counts 1 and gives hardly a
        gradient.
    """
    overlap, size = sums if config.include_background else sums[..., 1:]
    score = 2 * overlap / (size + config.epsilon)
    loss = 1 - score if config.form == "one_minus_score" else -score
    if counted is not None:
        counted = counted if config.include_background else counted[..., 1:]
        loss = loss * counted
    if config.over_classes == "sum":
        return loss.sum(-1)
    return loss.mean(-1) if counted is None else loss.sum(-1) / counted.sum(-1)


def soft_dice_loss(
    logits: Float[Tensor, "b k d h w"],
    labels: Int[Tensor, "b d h w"],
    config: DiceConfig = DiceConfig(),
) -> Float[Tensor, "*b"]:
    """Return the loss of each case in a single process, or of the batch where sums are batch-wise.

    The logits are scores before the softmax.
    """
    sums = dice_sums(logits, labels, config)
    return dice_loss_from_sums(sums.sum(1) if config.sums_over == "batch" else sums, config)
