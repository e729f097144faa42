"""What is trained, as validated data: a recipe holds everything but data, split and seed.

A default stands here only where the paper states it or where `docs/paper_map.md` names the reading.
"""

import hashlib
import json
from typing import Literal

from pydantic import Field

from voxsiam.types import NUM_CLASSES, Frozen

METHOD_VERSION = 1
"""Raised whenever the golden trace of 100 steps changes: runs on both sides are not comparable."""


class NetworkConfig(Frozen):
    """Which network, and how wide. 64 channels at full resolution is the 16.3 M of Table II."""

    name: Literal["unet3d"] = "unet3d"
    width: int = Field(default=64, ge=1)
    num_classes: int = Field(default=NUM_CLASSES, ge=2)


class SamplingConfig(Frozen):
    """How many voxels enter the feature loss, per layer and global batch (section IV-B)."""

    max_voxels: int = Field(default=1700, ge=1)
    max_false_negatives: int = Field(default=1000, ge=0)


class FeatureLossConfig(Frozen):
    """The voxel SimSiam loss of Eq. 7.

    Attributes:
        layers: |F|, how many encoder levels it covers, counted from the deepest.
        weight: lambda of Eq. 8: 100 for one layer, 10 for three (section IV-B).
        hidden_dim: Width of every layer of both heads (64, section IV-B; Table V).
        class_weights: w_c of Eq. 6, or the same weight for every present class (Table IV).
        sampling: The voxel budgets.
    """

    layers: int = Field(ge=1, le=3)
    weight: float = Field(ge=0)
    hidden_dim: int = Field(default=64, ge=1)
    class_weights: Literal["inverse_frequency", "uniform"] = "inverse_frequency"
    sampling: SamplingConfig = SamplingConfig()


class OptimiserConfig(Frozen):
    """Adam with the polynomial schedule lr * (1 - epoch / epochs) ** power (section IV-B)."""

    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    schedule_power: float = Field(default=0.9, ge=0)


Precision = Literal["float32", "bfloat16"]
Layout = Literal["contiguous", "channels_last"]


class NumericsConfig(Frozen):
    """Precision and memory layout; `auto` is measured once per study and then written here."""

    autocast: Literal["auto", Precision] = "auto"
    memory_format: Literal["auto", Layout] = "auto"

    @property
    def resolved(self) -> bool:
        """Tell whether nothing is left to measure."""
        return "auto" not in (self.autocast, self.memory_format)


class Recipe(Frozen):
    """Everything that defines a training except the data, the split and the seed.

    Attributes:
        feature_loss: None trains the base network on Dice alone.
        batch_size: Of the global batch, whatever the number of workers.
    """

    network: NetworkConfig = NetworkConfig()
    feature_loss: FeatureLossConfig | None = None
    optimiser: OptimiserConfig = OptimiserConfig()
    numerics: NumericsConfig = NumericsConfig()
    epochs: int = Field(default=500, ge=1)
    batch_size: int = Field(default=4, ge=1)

    def fingerprint(self) -> str:
        """Name this recipe by the hash of its canonical JSON."""
        return fingerprint(self.model_dump(mode="json"))

    def with_changes(self, **changes: object) -> "Recipe":
        """Return a copy with fields replaced, validated again."""
        unchanged = {name: getattr(self, name) for name in Recipe.model_fields}
        return Recipe.model_validate(unchanged | changes)


def fingerprint(value: object) -> str:
    """Hash any plain JSON value; a value without a stable form raises TypeError."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
