"""The base network applied to one prepared volume; the heads of the feature loss have no part."""

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from voxsiam.models.network import evaluating


def class_scores(
    network: nn.Module, image: Float[np.ndarray, "d h w"], *, autocast: bool, device: torch.device
) -> Float32[Tensor, "k d h w"]:
    """Return the probability of every class at every voxel: softmax over k of the logits.

    Args:
        network: In the state it was trained to; normalised by its running statistics.
        image: On the training grid, as prepared.
        autocast: Whether to compute in bfloat16, as the network was trained; the softmax is
            always in float32.
        device: Where the network lies, and the result.
    """
    return _logits(network, image, autocast=autocast, device=device).float().softmax(0)


def segment(
    network: nn.Module, image: Float[np.ndarray, "d h w"], *, autocast: bool, device: torch.device
) -> UInt8[np.ndarray, "d h w"]:
    """Return the most probable class of every voxel of the training grid.

    The arguments are those of `class_scores`.
    """
    logits = _logits(network, image, autocast=autocast, device=device)
    return logits.argmax(0).to(torch.uint8).cpu().numpy()


def _logits(
    network: nn.Module, image: Float[np.ndarray, "d h w"], *, autocast: bool, device: torch.device
) -> Float[Tensor, "k d h w"]:
    tensor = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None].to(device)
    bfloat16 = torch.autocast(device.type, torch.bfloat16, enabled=autocast)
    with evaluating(network), torch.inference_mode(), bfloat16:
        return network(tensor).logits[0]
