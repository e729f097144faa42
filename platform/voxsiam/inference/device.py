"""Where a network computes, and what that device is good at."""

import re

import torch

from voxsiam.errors import UserError


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:1` into a device that is there, or say what is not."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    matched = re.fullmatch(r"cuda(?::(\d{1,3}))?", name)
    if matched is None:
        raise UserError(
            f"There is no device '{name}'.", where="--device", fix="use auto, cpu, cuda or cuda:1"
        )
    index = int(matched[1] or 0)
    if index >= count:
        raise UserError(
            f"PyTorch sees {count} GPUs here, so there is no cuda:{index}.",
            where="--device",
            fix="use --device cpu, or install a PyTorch build with CUDA (voxsiam doctor)",
        )
    return torch.device("cuda", index)
