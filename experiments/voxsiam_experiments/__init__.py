"""What is run, as data: recipes, presets, tables; no algorithms.

What a file of one's own is made of can be taken from here: `voxsiam study new` shows how.
"""

from voxsiam.losses.config import (
    ContrastiveConfig,
    DiceConfig,
    FeatureLossConfig,
    SamplingConfig,
    SimSiamConfig,
)
from voxsiam.models.network_config import NetworkConfig
from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam.orchestration.sweeps.space import Setting
from voxsiam.training.recipe import AugmentationConfig, OptimiserConfig, Recipe
from voxsiam_experiments.recipes import (
    attention_unet3d,
    residual_unet3d,
    supervised_contrastive,
    unet3d,
    vnet,
    voxel_simsiam,
)
from voxsiam_experiments.sweeps import Sweep

__all__ = [
    "AugmentationConfig",
    "ContrastiveConfig",
    "DiceConfig",
    "FeatureLossConfig",
    "NetworkConfig",
    "OptimiserConfig",
    "Printed",
    "Recipe",
    "Row",
    "SamplingConfig",
    "Setting",
    "SimSiamConfig",
    "Sweep",
    "Table",
    "attention_unet3d",
    "residual_unet3d",
    "supervised_contrastive",
    "unet3d",
    "vnet",
    "voxel_simsiam",
]
