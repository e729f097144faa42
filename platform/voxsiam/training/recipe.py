"""What is trained, as validated data: a recipe holds everything but data, split and seed.

A default stands here only where the paper states it or where docs/readings.md names the reading.
Importing it loads no PyTorch.
"""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import (
    Field,
    PositiveFloat,
    field_validator,
    model_serializer,
    model_validator,
)

from voxsiam.fingerprint import fingerprint
from voxsiam.losses.config import DiceConfig, FeatureLossConfig
from voxsiam.metrics.scoring_rules import DistanceConfig
from voxsiam.models.network_config import NetworkConfig
from voxsiam.types import Frozen

METHOD_VERSION = 2
"""Raised whenever the golden trace of 100 steps changes: runs on both sides are not comparable."""


class OptimiserConfig(Frozen):
    """Adam with the polynomial schedule lr * (1 - epoch / epochs) ** power (section IV-B).

    Attributes:
        name: `adam` adds the weight decay to the gradient (L2), `adamw` decays apart from it.
        schedule_unit: Whether the learning rate falls once an epoch, as printed, or every step.
    """

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    schedule_power: float = Field(default=0.9, ge=0)
    schedule_unit: Literal["epoch", "step"] = "epoch"


class AugmentationConfig(Frozen):
    """Random changes of the training cases; the paper names none.

    Attributes:
        probability: That a case is turned and zoomed (0.8 in the authors' earlier code).
        rotations_degrees: In the axial plane; one is drawn (10 and 30 either way in that code).
        zoom: Smallest and largest factor by which organs grow.
        intensity_factor: Smallest and largest factor of the intensities.
        intensity_shift: Up to this is added to them or taken away.
        noise: Standard deviation of Gaussian noise on intensities in [0, 1].
        flip_axes: Axes that are mirrored with probability 1/2. Mirroring w swaps the patient's
            sides while the labels stay: the left kidney would lie on the right.
    """

    probability: float = Field(default=0.8, ge=0, le=1)
    rotations_degrees: tuple[float, ...] = (-30.0, -10.0, 10.0, 30.0)
    zoom: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    intensity_factor: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    intensity_shift: float = Field(default=0.0, ge=0)
    noise: float = Field(default=0.0, ge=0)
    flip_axes: tuple[Literal["d", "h", "w"], ...] = ()

    @field_validator("zoom", "intensity_factor")
    @classmethod
    def _ascending(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] > limits[1]:
            raise ValueError("give the smaller factor first")
        return limits


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
        augmentation: None shows every case as it is.
        scoring: Which HD95 and ASSD the test cases are scored with.
        batch_size: Of the global batch, whatever the number of workers.
        drop_last: Whether an epoch leaves out its last batch where that is short.
    """

    network: NetworkConfig = NetworkConfig()
    dice: DiceConfig = DiceConfig()
    feature_loss: FeatureLossConfig | None = None
    optimiser: OptimiserConfig = OptimiserConfig()
    augmentation: AugmentationConfig | None = None
    numerics: NumericsConfig = NumericsConfig()
    scoring: DistanceConfig = DistanceConfig()
    epochs: int = Field(default=500, ge=1, le=1_000_000)
    batch_size: int = Field(default=4, ge=1, le=65536)
    drop_last: bool = False

    @model_validator(mode="after")
    def _one_of_each_class(self) -> "Recipe":
        classes, loss = self.network.num_classes, self.feature_loss
        balanced = loss is not None and loss.sampling.plan == "class_balanced"
        if loss is not None and balanced and loss.sampling.max_voxels < classes:
            raise ValueError(
                f"class_balanced needs feature_loss.sampling.max_voxels of at least {classes}"
            )
        return self

    @model_validator(mode="after")
    def _levels_exist(self) -> "Recipe":
        levels = self.network.levels
        if self.feature_loss is not None and self.feature_loss.layers > levels:
            raise ValueError(
                f"{self.network.name} has {levels} encoder levels: "
                f"feature_loss.layers must be at most {levels}"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_before_there_was_a_choice(
        self,
        serialise: Callable[[Any], dict[str, Any]],
        # Pydantic's SerializationInfo, a protocol that cannot be checked at run time.
        info: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Leave the default scoring out of JSON: recipes keep the names that they had without."""
        content = serialise(self)
        if info.mode == "json" and self.scoring == DistanceConfig():
            del content["scoring"]
        return content

    def warms_up(self, epoch: int) -> bool:
        """Tell whether the feature loss counts nothing yet."""
        return self.feature_loss is not None and epoch < self.feature_loss.warm_up_epochs

    def fingerprint(self) -> str:
        """Name this recipe by the hash of its canonical JSON."""
        return fingerprint(self.model_dump(mode="json"))

    def with_changes(self, **changes: object) -> "Recipe":
        """Return a copy with fields replaced, validated again."""
        unchanged = {name: getattr(self, name) for name in Recipe.model_fields}
        return Recipe.model_validate(unchanged | changes)
