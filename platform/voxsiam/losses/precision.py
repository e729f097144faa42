"""Losses are computed in float32 whatever the network's precision."""

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Raise half precision to float32; float64, as in exactness tests, stays."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
