"""The base network applied to one prepared volume; the heads of the feature loss have no part."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from voxsiam.losses.partial_labels import merge_unannotated
from voxsiam.models.network import NetworkOutput, evaluating
from voxsiam.types import PAPER_ORGANS


def network_output(
    network: nn.Module,
    image: Float[np.ndarray, "d h w"],
    *,
    autocast: bool,
    device: torch.device,
) -> NetworkOutput:
    """Return what the network says of one volume, features included: a batch of one.

    Args:
        network: In the state it was trained to; normalised by its running statistics.
        image: On the training grid, as prepared.
        autocast: Whether to compute in bfloat16, as the network was trained.
        device: Where the network lies, and the output.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None].to(device)
    bfloat16 = torch.autocast(device.type, torch.bfloat16, enabled=autocast)
    with evaluating(network), torch.inference_mode(), bfloat16:
        return network(tensor)


def probabilities(
    logits: Float[Tensor, "1 k d h w"],
    taught: Sequence[str] = PAPER_ORGANS,
    organs: Sequence[str] = PAPER_ORGANS,
) -> Float32[Tensor, "k d h w"]:
    """Return the softmax over k of one volume's logits of any precision, in float32.

    Args:
        taught: Organs that some training case showed. Nothing held the others apart from the
            background, so they count as background, as they did in training.
        organs: All classes behind the background.
    """
    logits = logits.float()
    if len(taught) < len(organs):
        shown = torch.tensor([[True, *(organ in taught for organ in organs)]], device=logits.device)
        logits = merge_unannotated(logits, shown)
    return logits[0].softmax(0)
