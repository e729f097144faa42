"""A small training on made-up volumes, shared by the tests of this package."""

import hashlib

import numpy as np

from voxsiam.losses.config import (
    ContrastiveConfig,
    FeatureLossConfig,
    SamplingConfig,
    SimSiamConfig,
)
from voxsiam.models.network_config import NetworkConfig, NetworkName
from voxsiam.training.recipe import NumericsConfig, Recipe
from voxsiam.types import PAPER_ORGANS, Shape, Volume

SHAPE: Shape = (16, 16, 16)


def make_volume(case_id: str) -> Volume:
    """A small volume fixed by its name."""
    return volume_of(case_id, SHAPE)


def volume_of(case_id: str, shape: Shape) -> Volume:
    """Blocks of the nine classes, brighter with the class, plus noise fixed by the name."""
    seed = int.from_bytes(hashlib.blake2b(case_id.encode(), digest_size=4).digest(), "little")
    generator = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    for organ in range(1, 9):
        d, h, w = generator.integers(0, 10, 3)
        label[d : d + 6, h : h + 6, w : w + 6] = organ
    image = label / 9 + generator.normal(0, 0.05, shape)
    return Volume(
        case_id, image.astype(np.float32), label, (3.0, 2.0, 2.0), PAPER_ORGANS, PAPER_ORGANS
    )


LOSSES = {
    "dice": None,
    "simsiam": SimSiamConfig(hidden_dim=8),
    "contrastive": ContrastiveConfig(hidden_dim=8, output_dim=8, max_negatives=60),
}


def make_recipe(*, layers: int = 3, epochs: int = 3, batch_size: int = 4) -> Recipe:
    """A network of width 4 with the feature loss on some layers."""
    sampling = SamplingConfig(max_voxels=60, max_false_negatives=35)
    feature_loss = {"weight": 10, "relation": SimSiamConfig(hidden_dim=8), "sampling": sampling}
    return Recipe(
        network=NetworkConfig(width=4),
        feature_loss=FeatureLossConfig(layers=layers, **feature_loss) if layers else None,
        numerics=NumericsConfig(autocast="float32", memory_format="contiguous"),
        epochs=epochs,
        batch_size=batch_size,
    )


def system(network: NetworkName, loss: str, *, epochs: int) -> Recipe:
    """One network with one loss, small."""
    recipe = make_recipe(layers=2, epochs=epochs)
    assert recipe.feature_loss is not None
    feature_loss = recipe.feature_loss.model_dump() | {"relation": LOSSES[loss]}
    return recipe.with_changes(
        network=NetworkConfig(name=network, width=2),
        feature_loss=feature_loss if LOSSES[loss] else None,
    )
