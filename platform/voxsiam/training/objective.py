"""The total loss of Eq. 8 as one module: network, heads, Dice and feature loss.

Every term is this rank's share of the loss of the global batch, multiplied by the number of
ranks: DDP's mean over ranks is then the gradient of the global batch, however unevenly the cases
lie.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from voxsiam.collective import concatenate_over_ranks, sum_over_ranks, world_size
from voxsiam.losses.dice import soft_dice_loss
from voxsiam.losses.precision import at_least_float32
from voxsiam.losses.voxel_sampling import sample_voxels, stream_seed, voxel_keys
from voxsiam.losses.voxel_simsiam import (
    class_counts,
    class_sums,
    class_weights,
    voxel_simsiam_from_sums,
)
from voxsiam.metrics.confusion import dice_per_class
from voxsiam.models.catalogue import build_network
from voxsiam.models.heads import VoxelHeads
from voxsiam.training.batch import Batch
from voxsiam.training.config import FeatureLossConfig, NumericsConfig, Recipe


@dataclass(frozen=True)
class Moment:
    """When a batch is seen; together with the layer and the case it names a random stream."""

    seed: int
    epoch: int
    step: int


class Objective(nn.Module):
    """Network and heads of a recipe, and the loss terms of a batch."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        net = recipe.network
        self.network = build_network(net.name, net.width, net.num_classes)
        self.num_classes = net.num_classes
        self.feature_loss = recipe.feature_loss
        self.numerics = recipe.numerics
        self.heads = nn.ModuleList(_build_heads(self.network.feature_channels, recipe.feature_loss))

    def forward(self, batch: Batch, moment: Moment) -> dict[str, Float[Tensor, "..."]]:
        """Return this rank's share of each term, times the number of ranks.

        Returns:
            `loss` to differentiate; `dice_loss`, `feature_loss/layer_i` and `feature_loss`
            detached; `dsc`, the Dice score per case and class of the current prediction.
        """
        logits, features = run_network(self.network, batch.images, self.numerics)
        labels = batch.labels.long()
        scale = world_size()
        # sum() of no rows still ties an empty rank's parameters to the loss.
        dice = scale * soft_dice_loss(logits, labels).sum() / batch.global_cases
        terms = {"dice_loss": dice.detach()}
        total = dice
        if self.feature_loss is not None:
            by_layer = self._feature_terms(logits, features, batch, moment, self.feature_loss)
            feature = scale * torch.stack(by_layer).sum()
            total = total + self.feature_loss.weight * feature
            terms |= {
                f"feature_loss/layer_{i + 1}": scale * t.detach() for i, t in enumerate(by_layer)
            }
            terms["feature_loss"] = feature.detach()
        with torch.no_grad():
            dsc = dice_per_class(logits.argmax(1), labels, self.num_classes)
        return terms | {"loss": total, "dsc": dsc}

    def _feature_terms(
        self,
        logits: Tensor,
        features: tuple[Tensor, ...],
        batch: Batch,
        moment: Moment,
        config: FeatureLossConfig,
    ) -> list[Float[Tensor, ""]]:
        terms: list[Tensor] = []
        for layer, heads in enumerate(self.heads):
            feature = features[layer]
            labels = strided_labels(batch.labels, feature.shape[2:])
            predicted = strided_labels(logits.detach(), feature.shape[2:]).argmax(1)
            keys = _layer_keys(batch, moment, layer, labels[0].numel() if len(labels) else 0)
            chosen = sample_voxels(
                keys.to(labels.device),
                (predicted != labels).flatten(),
                config.sampling.max_voxels,
                config.sampling.max_false_negatives,
                concatenate_over_ranks,
            )
            voxels = feature.permute(0, 2, 3, 4, 1).flatten(0, 3)[chosen]
            terms.append(self._layer_term(heads, voxels, labels.flatten()[chosen], config))
        return terms

    def _layer_term(
        self,
        heads: nn.Module,
        voxels: Float[Tensor, "n c"],
        classes: Int[Tensor, " n"],
        config: FeatureLossConfig,
    ) -> Float[Tensor, ""]:
        with torch.autocast(voxels.device.type, enabled=False):
            prediction, target = heads(at_least_float32(voxels))
            sums = class_sums(prediction, classes, self.num_classes)
            local_targets = class_sums(target.detach(), classes, self.num_classes)
            local_counts = class_counts(classes, self.num_classes).to(sums.dtype)
            # One small collective a layer: the counts ride along as a last column.
            both = torch.cat([local_targets, local_counts.unsqueeze(1)], dim=1).double()
            both = sum_over_ranks(both).to(sums.dtype)
            targets, counts = both[:, :-1], both[:, -1]
            weights = class_weights(counts, config.class_weights)
            return voxel_simsiam_from_sums(sums, targets, counts, weights)


def run_network(
    network: nn.Module, images: Float[Tensor, "b 1 d h w"], numerics: NumericsConfig
) -> tuple[Float[Tensor, "b k d h w"], tuple[Tensor, ...]]:
    """Run the network in the recipe's precision; a rank without cases runs it on a blank.

    The blank's outputs are cut to no rows, so that they count nowhere, yet every parameter takes
    part in the backward pass and in DDP's sums.
    """
    cases = len(images)
    padded = images if cases else images.new_zeros((1, *images.shape[1:]))
    bfloat16 = numerics.autocast == "bfloat16"
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        output = network(padded)
    return output.logits[:cases], tuple(feature[:cases] for feature in output.features)


def strided_labels(grid: Tensor, size: torch.Size) -> Tensor:
    """Bring labels (b d h w) or logits (b k d h w) to a coarser level by nearest neighbour.

    Encoder levels halve and round down, so the nearest voxel is every 2nd, 4th or 8th.
    """
    steps = [fine // coarse for fine, coarse in zip(grid.shape[-3:], size, strict=True)]
    d, h, w = (slice(0, step * n, step) for step, n in zip(steps, size, strict=True))
    picked = grid[..., d, h, w]
    return picked if picked.is_floating_point() else picked.long()


def _layer_keys(batch: Batch, moment: Moment, layer: int, voxels: int) -> Int[Tensor, " n"]:
    streams = [
        stream_seed(moment.seed, moment.epoch, moment.step, layer, case_id)
        for case_id in batch.case_ids
    ]
    keys = [voxel_keys(stream, voxels) for stream in streams]
    return torch.cat(keys) if keys else torch.zeros(0, dtype=torch.int64)


def _build_heads(
    feature_channels: tuple[int, ...], config: FeatureLossConfig | None
) -> list[VoxelHeads]:
    if config is None:
        return []
    return [VoxelHeads(c, config.hidden_dim) for c in feature_channels[: config.layers]]
