"""Where bfloat16 is worth a try, and where it is right."""

import torch

from voxsiam.models.network_config import NetworkConfig
from voxsiam.types import Shape


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device computes in bfloat16 itself; where it does not, float32 is faster."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def bfloat16_is_sound(network: NetworkConfig, grid_dhw: Shape) -> bool:
    """Tell whether bfloat16 gives the right gradient on CPU.

    Where a map has two voxels along d, the gradient of a 3x3x3 kernel in bfloat16 holds memory
    that was never written (torch 2.13, found by scanning all small shapes; forward and input
    gradient are right, and so is every other length).
    """
    depths = [grid_dhw[0] >> level for level in range(network.levels)]
    return torch.cuda.is_available() or 2 not in depths
