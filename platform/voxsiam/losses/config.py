"""Every reading of the losses that the paper leaves open, as validated data.

Defaults are the readings of docs/readings.md, with the paper's section where it states them.
Importing it loads no PyTorch.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from voxsiam.types import Frozen

PairReduction = Literal["mean", "sum", "mean_per_anchor", "global_mean"]
ClassWeights = Literal["inverse_frequency", "uniform", "one"]
CoarseLabels = Literal["nearest", "centre", "majority", "any_organ"]


class DiceConfig(Frozen):
    """Soft Dice of Eq. 3.

    Attributes:
        form: Eq. 3 prints the score that Eq. 8 would minimise; both forms have one gradient.
        over_classes: Eq. 3 sums over classes.
        denominators: Squared as printed; the authors' earlier code has them linear.
        sums_over: Each case by itself, or all voxels of the global batch together.
        epsilon: Keeps a class that is in neither mask defined (the authors' earlier code).
    """

    form: Literal["one_minus_score", "negative_score"] = "one_minus_score"
    over_classes: Literal["sum", "mean"] = "sum"
    denominators: Literal["squared", "linear"] = "squared"
    sums_over: Literal["case", "batch"] = "case"
    include_background: bool = True
    epsilon: float = Field(default=1e-4, ge=0)


class SamplingConfig(Frozen):
    """Which voxels of a layer enter the feature loss (section IV-B).

    Attributes:
        plan: False negatives first, then others; or a uniform draw; or max_voxels / classes of
            each class (what a class lacks stays open); or no draw at all.
        scope: Whether the budgets are those of the global batch or of each case.
        max_voxels: Of a layer.
        max_false_negatives: Part of them that voxels with a wrong prediction may take.
        false_negatives_of: Whether a missed background voxel counts as a false negative.
    """

    plan: Literal["false_negatives_first", "uniform", "class_balanced", "every_voxel"] = (
        "false_negatives_first"
    )
    scope: Literal["batch", "case"] = "batch"
    max_voxels: PositiveInt = 1700
    max_false_negatives: int = Field(default=1000, ge=0, le=2**31 - 1)
    false_negatives_of: Literal["every_class", "organs"] = "every_class"


class SimSiamConfig(Frozen):
    """The relation of Eqs. 4 to 7: voxels of one class predict each other.

    Attributes:
        hidden_dim: Width of the heads' layers (64, section IV-B; Table V).
        output_dim: Of the space in which voxels are compared.
        prediction_dim: Inside the prediction head; SimSiam's own bottleneck is a quarter.
        pair_reduction: What the sum over the pairs of a class is divided by: the pairs of the
            class, nothing (as printed), its voxels, or all voxels squared.
        class_weights: w_c of Eq. 6; `uniform` is 1 / present classes, `one` is 1.
        weights_counted_on: Sampled voxels, or all voxels of the layer.
        weights_counted_over: Each layer by itself, or all layers together.
        cross_layer: Whether voxels of different layers are pairs too (S_|F| of Eq. 7 has no
            layer index). There is one term then instead of |F|, and weights are counted over
            all layers.
        exclude_self_pairs: Whether a voxel is no pair with itself; a class with a single voxel
            then counts as absent.
    """

    name: Literal["simsiam"] = "simsiam"
    hidden_dim: PositiveInt = 64
    output_dim: PositiveInt | Literal["hidden_dim", "layer_channels"] = "hidden_dim"
    prediction_dim: PositiveInt | Literal["hidden_dim", "quarter"] = "hidden_dim"
    normalise_heads: bool = True
    pair_reduction: PairReduction = "mean"
    class_weights: ClassWeights = "inverse_frequency"
    weights_counted_on: Literal["sampled", "all_voxels"] = "sampled"
    weights_counted_over: Literal["layer", "all_layers"] = "layer"
    cross_layer: bool = False
    exclude_self_pairs: bool = False

    @model_validator(mode="after")
    def _comparable(self) -> "SimSiamConfig":
        if self.cross_layer and self.output_dim == "layer_channels":
            raise ValueError("voxels of different layers compare in one output_dim only")
        return self


class ContrastiveConfig(Frozen):
    """The supervised contrastive baseline (SCL), of which the paper fixes the numbers of voxels.

    Attributes:
        hidden_dim: Width of the projection head's hidden layer.
        output_dim: Of the space in which voxels are compared.
        temperature: tau of the similarity.
        negatives: Voxels of other classes from a second, uniform draw; the anchors of other
            classes too; or a draw of its own for each class of anchors.
        max_negatives: Voxels of that draw, per layer and global batch (1700, section IV-C).
        class_weights: How anchors of different classes count; `one` counts anchors alike.
    """

    name: Literal["contrastive"] = "contrastive"
    hidden_dim: PositiveInt = 64
    output_dim: PositiveInt = 64
    normalise_heads: bool = True
    temperature: float = Field(default=0.1, gt=0)
    negatives: Literal["uniform", "uniform_and_anchors", "uniform_per_class"] = "uniform"
    max_negatives: PositiveInt = 1700
    class_weights: ClassWeights = "one"


Relation = Annotated[SimSiamConfig | ContrastiveConfig, Field(discriminator="name")]


class FeatureLossConfig(Frozen):
    """A loss on voxel features of encoder levels.

    Attributes:
        layers: |F|, how many encoder levels it covers, counted from the deepest.
        weight: lambda of Eq. 8: 100 for one layer, 10 for three (section IV-B).
        layer_weights: w_f of Eq. 7, the deepest level first; 1 each where empty.
        warm_up_epochs: Epochs at the start in which the term counts nothing.
        coarse_labels: How labels come to the grid of a layer.
        purity: Least share of a cell's voxels that must have its class; 0 takes every cell.
    """

    layers: int = Field(ge=1, le=64)
    weight: float = Field(ge=0)
    layer_weights: tuple[NonNegativeFloat, ...] = ()
    warm_up_epochs: int = Field(default=0, ge=0, le=1_000_000)
    include_background: bool = True
    coarse_labels: CoarseLabels = "nearest"
    purity: float = Field(default=0.0, ge=0, le=1)
    sampling: SamplingConfig = SamplingConfig()
    relation: Relation = SimSiamConfig()

    @model_validator(mode="after")
    def _one_weight_a_layer(self) -> "FeatureLossConfig":
        if self.layer_weights and len(self.layer_weights) != self.layers:
            raise ValueError(f"give {self.layers} layer_weights, one for each layer, or none")
        return self

    def layer_weight(self, layer: int) -> float:
        """Return w_f of a layer, 0 being the deepest."""
        return self.layer_weights[layer] if self.layer_weights else 1.0
