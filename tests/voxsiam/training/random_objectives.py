"""Random objectives and global batches: every network, loss and reading, uneven and empty ranks."""

import random
from dataclasses import dataclass, replace

import numpy as np

from tests.voxsiam.training.toy import volume_of
from voxsiam.losses.config import (
    ContrastiveConfig,
    DiceConfig,
    FeatureLossConfig,
    SamplingConfig,
    SimSiamConfig,
)
from voxsiam.models.network_config import LEVELS, NetworkConfig
from voxsiam.training.recipe import NumericsConfig, Recipe
from voxsiam.types import PAPER_ORGANS, Shape, Volume

WORLD_SIZES = (2, 3, 4)
PARTLY_LABELLED = "acegi"


@dataclass(frozen=True)
class RandomObjective:
    """One training step: of which recipe, on which cases, on how many ranks."""

    recipe: Recipe
    cases: tuple[str, ...]
    world_size: int

    @property
    def shape(self) -> Shape:
        """At least four voxels at the deepest level: over two, a batch norm is a sign."""
        return (16, 32, 32) if self.recipe.network.levels == 5 else (16, 16, 16)

    @property
    def name(self):
        loss = self.recipe.feature_loss
        return (self.recipe.network.name, loss.relation.name if loss else "dice alone")


def make_volume(case_id: str, shape: Shape) -> Volume:
    """A toy volume in which a third of the classes, fixed by the name, is absent.

    In every other case the absent organs are such that nobody looked for them.
    """
    volume = volume_of(case_id, shape)
    absent = [c for c in range(9) if random.Random(f"{case_id}/{c}").random() < 1 / 3]
    label = np.where(np.isin(volume.label, absent), 0, volume.label).astype(np.uint8)
    unknown = absent if case_id in PARTLY_LABELLED else []
    annotated = tuple(organ for value, organ in enumerate(PAPER_ORGANS, 1) if value not in unknown)
    return replace(volume, label=label, annotated=annotated)


def random_objective(index: int) -> RandomObjective:
    """The same for the same number, on every rank."""
    draw = random.Random(index)
    network = draw.choice(list(LEVELS))
    relation = draw.choice([None, simsiam, simsiam, contrastive])
    recipe = Recipe(
        network=NetworkConfig(name=network, width=2),
        dice=DiceConfig(
            sums_over=draw.choice(["case", "batch"]),
            denominators=draw.choice(["squared", "linear"]),
            over_classes=draw.choice(["sum", "mean"]),
            include_background=draw.choice([True, False]),
        ),
        feature_loss=feature_loss(draw, relation(draw)) if relation else None,
        numerics=NumericsConfig(autocast="float32", memory_format="contiguous"),
        epochs=1,
    )
    cases = tuple(draw.sample("abcdefghij", draw.randint(1, 5)))
    return RandomObjective(recipe, cases, WORLD_SIZES[index % len(WORLD_SIZES)])


def feature_loss(draw, relation):
    return FeatureLossConfig(
        layers=draw.randint(1, 3),
        weight=draw.choice([0.1, 10, 100]),
        include_background=draw.choice([True, False]),
        coarse_labels=draw.choice(["nearest", "centre", "majority", "any_organ"]),
        purity=draw.choice([0, 0, 0.6]),
        sampling=SamplingConfig(
            plan=draw.choice(["false_negatives_first", "uniform", "class_balanced", "every_voxel"]),
            scope=draw.choice(["batch", "batch", "case"]),
            max_voxels=draw.choice([9, 20, 150]),
            max_false_negatives=draw.choice([0, 15, 80]),
            false_negatives_of=draw.choice(["every_class", "organs"]),
        ),
        relation=relation,
    )


def simsiam(draw):
    return SimSiamConfig(
        hidden_dim=8,
        output_dim=draw.choice(["hidden_dim", 5]),
        prediction_dim=draw.choice(["hidden_dim", "quarter"]),
        normalise_heads=draw.choice([True, True, False]),
        pair_reduction=draw.choice(["mean", "mean", "mean_per_anchor", "global_mean"]),
        class_weights=draw.choice(["inverse_frequency", "uniform", "one"]),
        weights_counted_on=draw.choice(["sampled", "all_voxels"]),
        weights_counted_over=draw.choice(["layer", "all_layers"]),
        cross_layer=draw.choice([False, False, True]),
        exclude_self_pairs=draw.choice([False, True]),
    )


def contrastive(draw):
    return ContrastiveConfig(
        hidden_dim=8,
        output_dim=6,
        normalise_heads=draw.choice([True, True, False]),
        temperature=draw.choice([0.1, 0.5]),
        negatives=draw.choice(["uniform", "uniform_and_anchors", "uniform_per_class"]),
        max_negatives=draw.choice([10, 100]),
        class_weights=draw.choice(["one", "inverse_frequency"]),
    )
