"""A trained model as a folder of two files: `model.safetensors` and `model.json`.

Nothing in the folder can execute code, and no weight is parsed before its checksum fits.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from voxsiam.durable_files import sha256_of, sync, temporary_beside
from voxsiam.errors import UserError
from voxsiam.inference.model_description import (
    COPY_AGAIN,
    FILE_NAME,
    ModelDescription,
    read_description,
    write_description,
)
from voxsiam.models.bfloat16 import has_bfloat16
from voxsiam.models.catalogue import build_network
from voxsiam.models.network_config import NetworkConfig
from voxsiam.models.tensor_file import read_tensors, size_of
from voxsiam.volumes.grid_memory import free_memory, require_room

WEIGHTS = "model.safetensors"
OTHER_MODEL = "put the weights and the description of the same model together"


@dataclass(frozen=True)
class LoadedModel:
    """A network that is ready to be applied.

    Attributes:
        autocast: Whether it computes in bfloat16 here.
    """

    folder: Path
    description: ModelDescription
    weights_sha256: str
    network: nn.Module
    device: torch.device
    autocast: bool


def write_model(folder: Path, description: ModelDescription, network: nn.Module) -> None:
    """Write a base network as a model folder; `model.json` comes last and makes it whole.

    Args:
        folder: Created where it is missing; a model that is there is replaced.
        network: Without heads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS
    temporary = temporary_beside(weights)
    try:
        save_file(_plain(network.state_dict()), temporary)
        sync(temporary)
        (folder / FILE_NAME).unlink(missing_ok=True)
        temporary.replace(weights)
    finally:
        temporary.unlink(missing_ok=True)
    write_description(folder, description, sha256_of(weights))


def load_model(folder: Path, device: torch.device) -> LoadedModel:
    """Read a model folder, check it and put the network on a device.

    Raises:
        UserError: A file is missing, damaged, altered, of another version, or the weights are not
            those of the described network.
    """
    description, sha256 = read_description(folder)
    weights = folder / WEIGHTS
    network = _without_weights(folder / FILE_NAME, description.network)
    autocast = description.autocast == "bfloat16" and has_bfloat16(device)
    _require_room(folder / FILE_NAME, description, device, autocast=autocast)
    # Weights of another network are told as such, if they are not out of all proportion.
    _check_file(weights, sha256, 2 * size_of(network.state_dict()) + 2**28)
    _fill(network, weights)
    network = network.to(device)
    network.eval().requires_grad_(requires_grad=False)
    if autocast:
        # Measured: bfloat16 is up to twice as fast in this layout, float32 is not.
        network = network.to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue]
    return LoadedModel(folder, description, sha256, network, device, autocast)


def _refuse(path: Path, what: str, fix: str = COPY_AGAIN) -> UserError:
    return UserError(what, where=str(path), fix=fix)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _check_file(path: Path, sha256: str, most_bytes: int) -> None:
    try:
        found = sha256_of(path, most_bytes)
    except OSError as error:
        raise _refuse(path, f"The model's weights cannot be read ({error.strerror}).") from None
    if found != sha256:
        raise _refuse(
            path,
            "The weights were cut short or altered, or belong to another model: their SHA-256 is "
            f"{found[:12]}, described is {sha256[:12]}.",
        )


def _without_weights(path: Path, config: NetworkConfig) -> nn.Module:
    try:
        # On the meta device a network takes no memory until the file turns out to fit it.
        with torch.device("meta"):
            return build_network(config)
    except (RuntimeError, ValueError, OverflowError, TypeError) as error:
        raise _refuse(path, f"The network cannot be built ({error!s:.120}).") from None


def _require_room(
    path: Path, description: ModelDescription, device: torch.device, *, autocast: bool
) -> None:
    """Refuse a grid that no scan could be segmented on here: all that is needed is more."""
    grid, network = description.preparation.grid_dhw, description.network
    # The finest level's channels, into a unit and out of it; the image and every class's score.
    features = 2 * network.width * (2 if autocast else 4)
    volumes = 4 * (1 + network.num_classes)
    if device.type == "cuda":
        require_room(grid, features + volumes, torch.cuda.mem_get_info(device)[0], str(path))
        features = 0
    require_room(grid, features + volumes, free_memory(), str(path))


def _fill(network: nn.Module, path: Path) -> None:
    try:
        tensors = read_tensors(path, network.state_dict(), fix=OTHER_MODEL)
        network.load_state_dict(tensors, assign=True)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise _refuse(path, f"The weights cannot be read ({error!s:.120}).") from None
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise _refuse(path, "Weights are NaN or infinite: training diverged.", "train it again")
