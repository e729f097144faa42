"""What a trained model is, as validated data: the file `model.json` of a model folder.

It holds the description, the SHA-256 of the weights, and a seal: the SHA-256 of both.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError
from voxsiam.models.network_config import NetworkConfig
from voxsiam.small_files import Limits, read_json
from voxsiam.types import ORGANS, Frozen
from voxsiam.volumes.preparation_config import PreparationConfig

FORMAT_VERSION = 1
CLASSES = ("background", *ORGANS)
FILE_NAME = "model.json"
COPY_AGAIN = "copy the whole model folder again from where it was trained"

_LIMITS = Limits(2**20, 10_000)


class TrainedOn(Frozen):
    """What a model comes from.

    Attributes:
        run_id: Identity of the training run.
        data_kind: phantom, semi-synthetic or real.
    """

    run_id: str
    data_name: str
    data_kind: str
    epochs: int = Field(ge=0)
    seed: int


class ModelDescription(Frozen):
    """All that is needed to apply a network, besides its weights.

    Attributes:
        autocast: Precision that the network was trained in.
        preparation: How a scan becomes the network's input.
        classes: Meaning of the outputs, in order.
        taught: Organs that it was trained on; it cannot tell the others from background.
        method_version: Of the training code.
    """

    network: NetworkConfig
    autocast: Literal["float32", "bfloat16"]
    preparation: PreparationConfig
    classes: tuple[str, ...] = CLASSES
    taught: tuple[str, ...] = ORGANS
    method_version: int
    trained: TrainedOn


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
        raise _refuse(
            path,
            f"The model has format version {version!s:.20}, this program reads {FORMAT_VERSION}.",
            "use the VoxSiam version that wrote it, or train the model again",
        )
    if content.pop("seal", None) != _seal(content):
        raise _refuse(path, "The model's description was altered or is incomplete.", COPY_AGAIN)
    description = _validated(path, content.get("description"))
    return description, str(content.get("weights_sha256"))


def _validated(path: Path, content: object) -> ModelDescription:
    try:
        description = ModelDescription.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "description"
        raise _refuse(
            path,
            f"This program does not know the model's {field:.80}: {first['msg']:.120}.",
            "use the VoxSiam version that wrote it",
        ) from None
    if description.classes != CLASSES or description.network.num_classes != len(CLASSES):
        count = description.network.num_classes
        raise _refuse(
            path,
            f"The model's {count} classes are not background and the eight organs.",
            f"use a model with the classes {', '.join(CLASSES)}",
        )
    return description


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise _refuse(
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
        raise _refuse(path, what, COPY_AGAIN) from None
    return content


def _seal(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _refuse(path: Path, what: str, fix: str) -> UserError:
    return UserError(what, where=str(path), fix=fix)
