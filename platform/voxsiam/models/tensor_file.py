"""A safetensors file that is read only if it holds the tensors that are expected, and no others.

The library reads headers of up to 100 MB and as many tensors as they name; each costs time and
memory before anybody has looked at it. Here a file is looked at first.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from voxsiam.errors import UserError
from voxsiam.regular_files import open_regular

MAX_HEADER_BYTES = 2**20  # a checkpoint of the largest network needs about 100 KiB

_TYPE_NAMES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def is_tensor_file(path: Path) -> bool:
    """Tell whether it is a whole safetensors file, without reading its tensors.

    Raises:
        OSError: It is absent or no regular file.
    """
    if _claimed_header(path) > MAX_HEADER_BYTES:
        return False
    try:
        with safe_open(path, framework="pt"):
            return True
    except SafetensorError:
        return False


def size_of(tensors: Mapping[str, Tensor]) -> int:
    """Return the bytes that a file of these tensors has at most."""
    data = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return 8 + MAX_HEADER_BYTES + data


def read_tensors(
    path: Path, expected: Mapping[str, Tensor], *, fix: str, may_lack: Collection[str] = ()
) -> dict[str, Tensor]:
    """Read tensors into memory.

    Args:
        expected: Tensors of these names, shapes and types; their values do not matter.
    """
    try:
        claimed = _claimed_header(path)
        if claimed > MAX_HEADER_BYTES:
            what = f"The weights' header claims {claimed} bytes."
            raise UserError(what, where=str(path), fix=fix)
        _check_tensors(path, {n: _shown(t) for n, t in expected.items()}, may_lack, fix)
        return load_file(path)
    except OSError as error:
        what = f"The weights cannot be read ({error.strerror})."
    except (SafetensorError, ValueError, OverflowError) as error:
        what = f"The weights cannot be read ({error!s:.120})."
    raise UserError(what, where=str(path), fix=fix)


def _claimed_header(path: Path) -> int:
    """Return the bytes that a file says its header has."""
    with open_regular(path) as stream:
        return int.from_bytes(stream.read(8), "little")


def _check_tensors(
    path: Path, expected: dict[str, str], may_lack: Collection[str], fix: str
) -> None:
    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        found = {n: _described(s.get_shape(), s.get_dtype()) for n, s in slices.items()}
    for name in sorted(expected.keys() | found.keys()):
        wanted, here = expected.get(name, "absent"), found.get(name, "absent")
        if here not in (wanted, "absent" if name in may_lack else wanted):
            raise UserError(
                "The weights are not those of the described network: "
                f"tensor '{name:.80}' is {here}, expected {wanted}.",
                where=str(path),
                fix=fix,
            )


def _shown(tensor: Tensor) -> str:
    return _described(list(tensor.shape), _TYPE_NAMES[tensor.dtype])


def _described(shape: list[int], dtype: str) -> str:
    return f"{'x'.join(map(str, shape)) or 'a number'} ({dtype})"
