"""Cases in which some organs were never annotated: there, background may be such an organ."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def merge_unannotated(
    logits: Float[Tensor, "b k d h w"], annotated: Bool[Tensor, "b k"]
) -> Float[Tensor, "b k d h w"]:
    """Let the background stand for the organs that a case's labels cannot show.

    Equation: with U the classes that are not annotated, p'_0 = p_0 + sum_{u in U} p_u and
    p'_u = 0 (the marginal probability of Shi et al. 2021, Medical Image Analysis 70, 101979).

    Args:
        logits: Scores before the softmax.
        annotated: For each case, the classes that its annotator looked for; background is
            always among them.

    Returns:
        Logits whose softmax is p'; a class of U is never the largest. Cases with all classes
        keep their values.
    """
    background = ~annotated
    background[:, 0] = True
    joined = _only(logits, background).logsumexp(1, keepdim=True)
    return torch.cat([joined, _only(logits, annotated)[:, 1:]], dim=1)


def _only(
    logits: Float[Tensor, "b k d h w"], classes: Bool[Tensor, "b k"]
) -> Float[Tensor, "b k d h w"]:
    return logits.masked_fill(~classes[..., None, None, None], -torch.inf)
