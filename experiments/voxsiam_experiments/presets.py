"""The three sizes at which a study can be run, and what a user asks for beyond."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxsiam.errors import UserError
from voxsiam.losses.config import FeatureLossConfig
from voxsiam.models.network_config import PAPER_WIDTH
from voxsiam.training.recipe import NumericsConfig, Recipe
from voxsiam.types import PAPER_ORGANS, Shape, Split

PAPER_GRID_DHW: Shape = (64, 128, 128)
MEASURED = NumericsConfig()
"""Whatever is fastest on the machine, measured once per study."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How large a study is.

    Attributes:
        grid_dhw: Of the phantoms that are prepared where no data are given.
        width: Channels of the finest level of a network that has 64 there in the paper.
        seeds: Trainings of each row.
        cases: Phantoms to make where no data are given; None asks for data.
        test_fraction: Of all cases.
        validation_fraction: Of the training cases; 0 trains on all, as the paper.
        workers: DDP workers of a trial; 1 trains in the trial's own process.
        scales_budgets: Whether voxel budgets shrink with the grid, so that they stay limits.
    """

    name: str
    grid_dhw: Shape
    width: int
    epochs: int
    seeds: int
    cases: int | None
    test_fraction: float
    validation_fraction: float
    workers: int
    numerics: NumericsConfig = MEASURED
    scales_budgets: bool = True

    def apply(
        self, recipe: Recipe, grid_dhw: Shape, num_classes: int = len(PAPER_ORGANS) + 1
    ) -> Recipe:
        """Bring a recipe of the paper to this size, for data on the given grid.

        Args:
            num_classes: Of the data, background included.
        """
        feature_loss = recipe.feature_loss
        if feature_loss is not None and self.scales_budgets:
            feature_loss = _with_scaled_budgets(feature_loss, grid_dhw, num_classes)
        width = max(1, recipe.network.width * self.width // PAPER_WIDTH["unet3d"])
        return recipe.with_changes(
            network=recipe.network.model_copy(update={"width": width, "num_classes": num_classes}),
            feature_loss=feature_loss,
            numerics=self.numerics,
            epochs=self.epochs,
        )

    def phantoms(self) -> int:
        """Return how many phantoms to make where no data are given."""
        if self.cases is None:
            raise UserError(
                f"the preset '{self.name}' needs data",
                where="--data",
                fix="prepare them first: voxsiam data prepare SOURCE -o PREPARED",
            )
        return self.cases


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a user may ask for beyond the preset.

    Attributes:
        seeds: Number of trainings a row; the preset's where None.
        workers: DDP workers a trial; the preset's where None.
        gpu_share: Part of a GPU that a worker holds, where there are GPUs: 0.5 puts two trials of
            one worker on each, 0 trains on CPUs.
        overrides: `field.path=value` settings applied to every row.
        split: Fixed lists; drawn by the preset where None.
    """

    seeds: int | None = None
    workers: int | None = None
    gpu_share: float = 1.0
    overrides: Sequence[str] = ()
    split: Split | None = None


def _with_scaled_budgets(
    config: FeatureLossConfig, grid_dhw: Shape, num_classes: int
) -> FeatureLossConfig:
    """Scale 1700 and 1000 with the number of grid voxels: the same share of each layer.

    A draw that is balanced over classes keeps a voxel for each.
    """
    share = math.prod(grid_dhw) / math.prod(PAPER_GRID_DHW)
    sampling, relation = config.sampling, config.relation
    fewest = num_classes if sampling.plan == "class_balanced" else 1
    budgets = {
        "max_voxels": max(fewest, round(sampling.max_voxels * share)),
        "max_false_negatives": round(sampling.max_false_negatives * share),
    }
    if relation.name == "contrastive":
        negatives = max(1, round(relation.max_negatives * share))
        relation = relation.model_copy(update={"max_negatives": negatives})
    scaled = sampling.model_copy(update=budgets)
    return config.model_copy(update={"sampling": scaled, "relation": relation})


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="tiny",
            grid_dhw=(32, 32, 32),
            width=4,
            epochs=2,
            seeds=1,
            cases=8,
            test_fraction=0.2,
            validation_fraction=1 / 6,
            workers=1,
            numerics=NumericsConfig(autocast="float32", memory_format="contiguous"),
        ),
        Preset(
            name="mini",
            grid_dhw=(32, 48, 48),
            width=8,
            epochs=30,
            seeds=2,
            cases=30,
            test_fraction=0.2,
            validation_fraction=1 / 6,
            workers=2,
        ),
        Preset(
            name="paper",
            grid_dhw=PAPER_GRID_DHW,
            width=64,
            epochs=500,
            seeds=5,
            cases=None,
            test_fraction=2 / 9,
            validation_fraction=0.0,
            workers=1,
            scales_budgets=False,
        ),
    )
}
