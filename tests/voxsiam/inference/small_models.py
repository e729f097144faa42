"""Small models with random weights, and scans that they can be applied to."""

import json
from pathlib import Path
from typing import Literal

import torch

from tests.nifti_files import phantom_ct, ras_affine, write_scan
from voxsiam.inference.model_folder import ModelDescription, TrainedOn, _seal, write_model
from voxsiam.inference.segment import network_output, probabilities
from voxsiam.models.catalogue import build_network
from voxsiam.models.network_config import NetworkConfig, NetworkName
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.preparation_config import PreparationConfig

CPU = torch.device("cpu")
GRID = (16, 16, 24)
AFFINE = ras_affine((1.5, 1.2, 3.0), (-31.0, 12.5, 900.25))
TRAINED = TrainedOn(
    run_id="0123456789abcdef", data_name="phantom-8", data_kind="phantom", epochs=2, seed=0
)


def describe(
    name: NetworkName = "unet3d",
    *,
    width=4,
    autocast: Literal["float32", "bfloat16"] = "float32",
    **preparation,
):
    return ModelDescription(
        network=NetworkConfig(name=name, width=width),
        autocast=autocast,
        preparation=PreparationConfig(grid_dhw=GRID, **preparation),
        method_version=2,
        trained=TRAINED,
    )


def random_network(config: NetworkConfig, *, seed=0):
    """Build a network whose classes all occur: its random logits have mean 0 and spread 1."""
    torch.manual_seed(seed)
    network = build_network(config)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.05 * torch.randn_like(tensor))
        logits = network.eval()(torch.rand(1, 1, *GRID)).logits[0].flatten(1)
        output, spread = network.output, logits.std(1)
        assert output.bias is not None
        output.weight /= spread[:, None, None, None, None]
        output.bias.copy_((output.bias - logits.mean(1)) / spread)
    return network


def class_scores(network, image, *, autocast=False, taught=PAPER_ORGANS):
    logits = network_output(network, image, autocast=autocast, device=CPU).logits
    return probabilities(logits, taught)


def write_random_model(folder: Path, description=None, *, seed=0) -> Path:
    description = description or describe()
    write_model(folder, description, random_network(description.network, seed=seed))
    return folder


def write_ct(path: Path, shape_xyz=(21, 18, 17), seed=0) -> Path:
    return write_scan(path, phantom_ct(shape_xyz, seed)[0], AFFINE)


def reseal(path, content):
    """Write a description with a seal that fits, as a newer or a hostile program would."""
    content.pop("seal", None)
    path.write_text(json.dumps(content | {"seal": _seal(content)}))
