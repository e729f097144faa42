"""The base network applied to one prepared volume; the heads of the feature loss have no part."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn


def segment(
    network: nn.Module, image: Float[np.ndarray, "d h w"], *, autocast: bool, device: torch.device
) -> UInt8[np.ndarray, "d h w"]:
    """Return the most probable class of every voxel.

    Args:
        network: In the state it was trained to.
        image: Intensities in [0, 1] on the training grid.
        autocast: Whether to compute in bfloat16, as the network was trained.
        device: Where the network lies.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None].to(device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        logits = network(tensor).logits
    return logits.argmax(1)[0].to(torch.uint8).cpu().numpy()
