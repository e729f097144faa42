"""A small training on made-up volumes, shared by the tests of this package."""

import hashlib

import numpy as np

from voxsiam.training.config import (
    FeatureLossConfig,
    NetworkConfig,
    NumericsConfig,
    Recipe,
    SamplingConfig,
)
from voxsiam.types import Volume

SHAPE = (16, 16, 16)


def make_volume(case_id: str) -> Volume:
    """Blocks of the nine classes, brighter with the class, plus noise fixed by the name."""
    seed = int.from_bytes(hashlib.blake2b(case_id.encode(), digest_size=4).digest(), "little")
    generator = np.random.default_rng(seed)
    label = np.zeros(SHAPE, np.uint8)
    for organ in range(1, 9):
        d, h, w = generator.integers(0, 10, 3)
        label[d : d + 6, h : h + 6, w : w + 6] = organ
    image = label / 9 + generator.normal(0, 0.05, SHAPE)
    return Volume(case_id, image.astype(np.float32), label, (3.0, 2.0, 2.0))


def make_recipe(*, layers: int = 3, epochs: int = 3, batch_size: int = 4) -> Recipe:
    """A network of width 4 with the feature loss on some layers."""
    sampling = SamplingConfig(max_voxels=60, max_false_negatives=35)
    settings = {"weight": 10, "hidden_dim": 8, "sampling": sampling}
    return Recipe(
        network=NetworkConfig(width=4),
        feature_loss=FeatureLossConfig(layers=layers, **settings) if layers else None,
        numerics=NumericsConfig(autocast="float32", memory_format="contiguous"),
        epochs=epochs,
        batch_size=batch_size,
    )
