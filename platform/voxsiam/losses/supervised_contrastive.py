"""Supervised contrastive loss of voxels, the paper's SCL baseline (after Wang et al. 2021).

Axes: n anchors, p voxels that may be positives, m negatives, f feature dimensions, k classes.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

MAX_SIMILARITIES = 2**24
"""Held at a time: as many anchors are compared as this allows, one at least."""

_ABSENT = -1e30
"""In place of minus infinity, whose gradient in logsumexp is not a number."""


class Others(NamedTuple):
    """What anchors are compared with, over all ranks; rows are l2-normalised.

    Attributes:
        positives: Every anchor of the batch: those of an anchor's class are its positives.
        positive_classes: Their labels.
        negatives: Voxels drawn as negatives.
        repels: Whether a negative counts for anchors of a class.
    """

    positives: Float[Tensor, "p f"]
    positive_classes: Int[Tensor, " p"]
    negatives: Float[Tensor, "m f"]
    repels: Bool[Tensor, "m k"]


def anchor_losses(
    anchors: Float[Tensor, "n f"],
    classes: Int[Tensor, " n"],
    places: Int[Tensor, " n"],
    others: Others,
    temperature: float,
) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """Return each anchor's loss, and whether it has a positive and a negative at all.

    Equation: l_i = mean over positives j of
    - log( exp(s_ij / tau) / (exp(s_ij / tau) + sum over negatives exp(s_in / tau)) ), s = cosine,
    Wang et al. 2021 (arXiv 2101.11939), Eq. 3: each positive competes with all negatives and not
    with other positives. An anchor is no positive of itself.

    Args:
        anchors: l2-normalised rows of this rank.
        places: Row of each anchor in `others.positives`.
        temperature: tau.

    Returns:
        Losses >= 0, lower is better, 0 where an anchor lacks a positive or a negative; memory
        grows with the voxels and not with their pairs.
    """
    others_each = len(others.positives) + len(others.negatives)
    rows = max(1, MAX_SIMILARITIES // max(1, others_each))
    parts = [
        checkpoint(_chunk, *chunk, others, temperature, use_reentrant=False)
        for chunk in zip(anchors.split(rows), classes.split(rows), places.split(rows), strict=True)
    ]
    losses, valid = (torch.cat(column) for column in zip(*parts, strict=True))
    return losses, valid


def supervised_contrastive_loss(
    embeddings: Float[Tensor, "n f"],
    classes: Int[Tensor, " n"],
    anchor: Bool[Tensor, " n"],
    repels: Bool[Tensor, "n k"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Return the mean loss of the anchors in a single process.

    Args:
        embeddings: l2-normalised rows.
        anchor: Which rows are anchors, and positives of each other.
        repels: Which rows are negatives, and for anchors of which classes.
        temperature: tau.

    Returns:
        A value >= 0, lower is better; 0 where no anchor has both a positive and a negative.
    """
    rows, labels = embeddings[anchor], classes[anchor]
    negative = repels.any(1)
    others = Others(rows, labels, embeddings[negative], repels[negative])
    places = torch.arange(len(rows), device=rows.device)
    losses, valid = anchor_losses(rows, labels, places, others, temperature)
    return losses.sum() / valid.sum().clamp(min=1)


def _chunk(
    anchors: Float[Tensor, "r f"],
    classes: Int[Tensor, " r"],
    places: Int[Tensor, " r"],
    others: Others,
    temperature: float,
) -> tuple[Float[Tensor, " r"], Bool[Tensor, " r"]]:
    repelled = others.repels.T[classes]
    unlike = (anchors @ others.negatives.T / temperature).masked_fill(~repelled, _ABSENT)
    # One more column, because logsumexp refuses rows without any.
    competition = functional.pad(unlike, (0, 1), value=_ABSENT).logsumexp(1, keepdim=True)
    like = anchors @ others.positives.T / temperature
    is_positive = others.positive_classes == classes.unsqueeze(1)
    is_positive = is_positive.scatter(1, places.unsqueeze(1), value=False)
    counts = is_positive.sum(1)
    valid = (counts > 0) & repelled.any(1)
    # Not softplus: torch cuts its tail off at 20.
    terms = (torch.logaddexp(competition, like) - like) * is_positive
    return terms.sum(1) / counts.clamp(min=1) * valid, valid
