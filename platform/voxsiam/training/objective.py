"""The total loss of Eq. 8 as one module: network, heads, Dice and feature loss.

Every term is this rank's share of the loss of the global batch, multiplied by the number of
ranks: DDP's mean over ranks is then the gradient of the global batch, however unevenly the cases
lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from voxsiam.collective import sum_over_ranks, world_size
from voxsiam.losses.config import DiceConfig
from voxsiam.losses.dice import dice_loss_from_sums, dice_sums
from voxsiam.losses.partial_labels import merge_unannotated
from voxsiam.metrics.confusion import dice_per_class
from voxsiam.models.catalogue import build_network
from voxsiam.models.global_batch_norm import uncounted
from voxsiam.training.batch import Batch, Moment
from voxsiam.training.contrastive_relation import ContrastiveRelation
from voxsiam.training.recipe import NumericsConfig, Recipe
from voxsiam.training.simsiam_relation import SimSiamRelation
from voxsiam.training.voxel_draw import VoxelDraw

FeatureRelation = SimSiamRelation | ContrastiveRelation


@dataclass(frozen=True)
class Outcome:
    """What a batch gives on one rank.

    Attributes:
        loss: To differentiate: this rank's share of the total loss, times the number of ranks.
        terms: Each part of it in the same scale, detached; their mean over ranks is the global
            value.
        figures: Global values already, to be logged; one, or one of each class.
        dsc: Dice score of the current prediction, per case and class.
        finite: Whether a case's logits and Dice loss are numbers.
    """

    loss: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]
    figures: Mapping[str, Float[Tensor, "*k"]] = field(default_factory=dict)
    dsc: Float[Tensor, "b k"] = field(default_factory=lambda: torch.zeros(0, 0).double())
    finite: Bool[Tensor, " b"] = field(default_factory=lambda: torch.zeros(0).bool())


class Objective(nn.Module):
    """Network and heads of a recipe, and the loss terms of a batch."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.network = build_network(recipe.network)
        self.num_classes = recipe.network.num_classes
        self.dice = recipe.dice
        self.numerics = recipe.numerics
        self.heads = _build_relation(self.network.feature_channels, recipe)

    def forward(self, batch: Batch, moment: Moment) -> Outcome:
        """Run the network on this rank's cases and compare with their labels."""
        logits, features = run_network(self.network, batch.images, self.numerics)
        # A sum is not finite where a term is not, and needs one pass.
        finite = logits.detach().sum((1, 2, 3, 4)).isfinite()
        if batch.annotated is not None:
            logits = merge_unannotated(logits, batch.annotated)
        labels = batch.labels.long()
        dice, by_case = _dice_term(logits, batch, self.dice)
        terms, figures, total = {"dice_loss": dice.detach()}, {}, dice
        if self.heads is not None:
            config = self.heads.config
            draw = VoxelDraw(batch, logits, moment, config)
            strides = self.network.feature_strides[: config.layers]
            levels = [draw.level(i, features[i], stride) for i, stride in enumerate(strides)]
            with torch.autocast(logits.device.type, enabled=False):
                found = self.heads(levels)
            feature = world_size() * found.total()
            counts = moment.epoch >= config.warm_up_epochs
            total = total + (config.weight if counts else 0.0) * feature
            terms |= {
                f"feature_loss/{name}": world_size() * share.detach()
                for name, share in found.shares.items()
            }
            terms["feature_loss"] = feature.detach()
            figures = found.figures
        with torch.no_grad():
            dsc = dice_per_class(logits.argmax(1), labels, self.num_classes)
        return Outcome(total, terms | {"loss": total.detach()}, figures, dsc, finite & by_case)


def run_network(
    network: nn.Module, images: Float[Tensor, "b 1 d h w"], numerics: NumericsConfig
) -> tuple[Float[Tensor, "b k d h w"], tuple[Tensor, ...]]:
    """Run the network in the recipe's precision; a rank without cases runs it on a blank.

    The blank's outputs are cut to no rows and its statistics are not counted, so that it shows
    nowhere, yet every parameter takes part in the backward pass and in DDP's sums.
    """
    bfloat16 = numerics.autocast == "bfloat16"
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        if len(images):
            output = network(images)
            return output.logits, output.features
        with uncounted():
            output = network(images.new_zeros((1, *images.shape[1:])))
    return output.logits[:0], tuple(feature[:0] for feature in output.features)


def _dice_term(
    logits: Float[Tensor, "b k d h w"], batch: Batch, config: DiceConfig
) -> tuple[Float[Tensor, ""], Bool[Tensor, " b"]]:
    """Return this rank's share times the number of ranks, and which cases are finite."""
    sums = dice_sums(logits, batch.labels.long(), config)
    counted = batch.annotated
    finite = sums.detach().isfinite().all(0).all(1)
    if config.sums_over == "batch":
        # Every rank holds the whole loss; the sum's gradient over ranks is W times its share.
        cases = torch.ones_like(sums[:1]) if counted is None else counted[None].to(sums)
        overlap, size, annotated = sum_over_ranks(torch.cat([sums, cases]).sum(1))
        return dice_loss_from_sums(torch.stack([overlap, size]), config, annotated > 0), finite
    # sum() of no rows still ties an empty rank's parameters to the loss.
    share = dice_loss_from_sums(sums, config, counted).sum() / batch.global_cases
    return world_size() * share, finite


def _build_relation(channels: tuple[int, ...], recipe: Recipe) -> FeatureRelation | None:
    config, num_classes = recipe.feature_loss, recipe.network.num_classes
    if config is None:
        return None
    covered, relation = channels[: config.layers], config.relation
    if relation.name == "contrastive":
        return ContrastiveRelation(covered, config, relation, num_classes)
    return SimSiamRelation(covered, config, relation, num_classes)
