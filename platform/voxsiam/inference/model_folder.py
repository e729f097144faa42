"""A trained model as a folder of two files: `model.safetensors` and `model.json`.

`model.json` holds the description of the model, the SHA-256 of the weights, and a seal: the SHA-256
of both. Nothing in the folder can execute code, and no weight is parsed before its checksum fits.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError, model_validator
from safetensors.torch import save_file
from torch import nn

from voxsiam.durable_files import sha256_of, sync, temporary_beside, write_text_atomically
from voxsiam.errors import refusal
from voxsiam.models.bfloat16 import has_bfloat16
from voxsiam.models.catalogue import build_network
from voxsiam.models.network_config import NetworkConfig
from voxsiam.models.tensor_file import read_tensors, size_of
from voxsiam.small_files import Limits, read_json
from voxsiam.types import PAPER_ORGANS, Frozen
from voxsiam.volumes.grid_memory import free_memory, require_room
from voxsiam.volumes.preparation_config import PreparationConfig

FORMAT_VERSION = 1
FILE_NAME, WEIGHTS = "model.json", "model.safetensors"
COPY_AGAIN = "copy the whole model folder again from where it was trained"
OTHER_MODEL = "put the weights and the description of the same model together"

_LIMITS = Limits(2**20, 10_000)


class TrainedOn(Frozen):
    """What a model comes from; `data_kind` is phantom, semi-synthetic or real."""

    run_id: str
    data_name: str
    data_kind: str
    epochs: int = Field(ge=0)
    seed: int


class ModelDescription(Frozen):
    """All that is needed to apply a network, besides its weights.

    Attributes:
        autocast: Precision that the network was trained in.
        classes: Meaning of the outputs, in order, the background first.
        taught: Organs that it was trained on; it cannot tell the others from background.
        method_version: Of the training code.
    """

    network: NetworkConfig
    autocast: Literal["float32", "bfloat16"]
    preparation: PreparationConfig
    classes: tuple[str, ...] = ("background", *PAPER_ORGANS)
    taught: tuple[str, ...] = PAPER_ORGANS
    method_version: int
    trained: TrainedOn

    @model_validator(mode="after")
    def _named(self) -> "ModelDescription":
        names = self.classes
        if names[:1] != ("background",) or len(names) != self.network.num_classes:
            raise ValueError(
                f"classes: name the background and {self.network.num_classes - 1} organs"
            )
        if len(set(names)) < len(names) or not set(names) >= set(self.taught):
            raise ValueError("classes: two have one name, or a taught organ is none of them")
        return self

    @property
    def organs(self) -> tuple[str, ...]:
        """The classes behind the background."""
        return self.classes[1:]


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
        tensors = network.state_dict().items()
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors}, temporary)
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


def write_description(folder: Path, description: ModelDescription, weights_sha256: str) -> None:
    """Write `model.json`, whole or not at all."""
    content = {
        "format_version": FORMAT_VERSION,
        "description": description.model_dump(mode="json"),
        "weights_sha256": weights_sha256,
    }
    sealed = json.dumps(content | {"seal": _seal(content)}, indent=1)
    write_text_atomically(folder / FILE_NAME, sealed)


def read_description(folder: Path) -> tuple[ModelDescription, str]:
    """Read `model.json`; return the description and the SHA-256 that the weights must have.

    Raises:
        UserError: It is missing, damaged, altered or of another version.
    """
    path = folder / FILE_NAME
    content = _read_json(path)
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise refusal(
            path,
            f"The model has format version {version!s:.20}, this program reads {FORMAT_VERSION}.",
            "use the VoxSiam version that wrote it, or train the model again",
        )
    if content.pop("seal", None) != _seal(content):
        raise refusal(path, "The model's description was altered or is incomplete.", COPY_AGAIN)
    description = _validated(path, content.get("description"))
    return description, str(content.get("weights_sha256"))


def _validated(path: Path, content: object) -> ModelDescription:
    try:
        return ModelDescription.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "description"
        told = first["msg"].removeprefix("Value error, ")
        raise refusal(
            path,
            f"This program does not know the model's {field:.80}: {told:.120}.",
            "use the VoxSiam version that wrote it",
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise refusal(
            path.parent,
            f"This is not a model folder: it has no {FILE_NAME}.",
            "give the folder 'model' of a finished run",
        )
    try:
        content = read_json(path, _LIMITS)
        if not isinstance(content, dict):
            raise TypeError("it is not an object")
    except (OSError, ValueError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        what = f"The model's description cannot be read ({why!s:.80})."
        raise refusal(path, what, COPY_AGAIN) from None
    return content


def _seal(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_file(path: Path, sha256: str, most_bytes: int) -> None:
    try:
        found = sha256_of(path, most_bytes)
    except OSError as error:
        what = f"The model's weights cannot be read ({error.strerror})."
        raise refusal(path, what, COPY_AGAIN) from None
    if found != sha256:
        raise refusal(
            path,
            "The weights were cut short or altered, or belong to another model: their SHA-256 is "
            f"{found[:12]}, described is {sha256[:12]}.",
            COPY_AGAIN,
        )


def _without_weights(path: Path, config: NetworkConfig) -> nn.Module:
    try:
        # On the meta device a network takes no memory until the file turns out to fit it.
        with torch.device("meta"):
            return build_network(config)
    except (RuntimeError, ValueError, OverflowError, TypeError) as error:
        what = f"The network cannot be built ({error!s:.120})."
        raise refusal(path, what, COPY_AGAIN) from None


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
        what = f"The weights cannot be read ({error!s:.120})."
        raise refusal(path, what, COPY_AGAIN) from None
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise refusal(path, "Weights are NaN or infinite: training diverged.", "train it again")
