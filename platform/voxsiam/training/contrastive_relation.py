"""The supervised contrastive baseline: voxels of one class attract, of others repel each other."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from voxsiam.collective import (
    concatenate_over_ranks,
    gather_rows,
    rank,
    row_counts,
    sum_over_ranks,
)
from voxsiam.losses.config import ContrastiveConfig, FeatureLossConfig
from voxsiam.losses.precision import at_least_float32
from voxsiam.losses.supervised_contrastive import Others, anchor_losses
from voxsiam.losses.voxel_sampling import draw_uniform
from voxsiam.losses.voxel_simsiam import class_sums, class_weights, unit_rows
from voxsiam.models.heads import ContrastiveHead
from voxsiam.training.feature_terms import (
    FeatureTerms,
    class_table,
    figures_of,
    level_name,
    sum_tables,
)
from voxsiam.training.voxel_draw import LayerVoxels


class ContrastiveRelation(nn.Module):
    """Anchors and negatives of the global batch, level by level.

    Args:
        channels: Of the levels, the deepest first.
    """

    def __init__(
        self,
        channels: Sequence[int],
        config: FeatureLossConfig,
        relation: ContrastiveConfig,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.config, self.relation, self.num_classes = config, relation, num_classes
        self.heads = nn.ModuleList(
            ContrastiveHead(
                c, relation.hidden_dim, relation.output_dim, normalise=relation.normalise_heads
            )
            for c in channels
        )

    def forward(self, levels: Sequence[LayerVoxels]) -> FeatureTerms:
        """Return one term for each level."""
        drawn = [self._embed(head, level) for head, level in zip(self.heads, levels, strict=True)]
        tables = [
            class_table(
                class_sums(embeddings[is_anchor].detach(), classes[is_anchor], self.num_classes),
                level.candidates,
                level.chosen,
                self.num_classes,
            )
            for level, (embeddings, classes, is_anchor, _) in zip(levels, drawn, strict=True)
        ]
        whole = sum_tables(tables)
        terms = {
            level_name(layer): self.config.layer_weight(layer) * self._loss(*part)
            for layer, part in enumerate(drawn)
        }
        return FeatureTerms(terms, figures_of(whole))

    def _embed(
        self, head: nn.Module, level: LayerVoxels
    ) -> tuple[Tensor, Tensor, Bool[Tensor, " n"], Bool[Tensor, "n k"]]:
        """Embed anchors and negatives in one pass; a voxel may be both."""
        repels = self._repels(level)
        is_anchor = torch.zeros_like(level.candidates.eligible)
        is_anchor[level.chosen] = True
        rows = (is_anchor | repels.any(1)).nonzero().squeeze(1)
        embeddings = unit_rows(head(at_least_float32(level.features[rows])))
        return embeddings, level.candidates.classes[rows], is_anchor[rows], repels[rows]

    def _repels(self, level: LayerVoxels) -> Bool[Tensor, "n k"]:
        """Tell which voxels are negatives for anchors of which classes."""
        voxels, keys = level.candidates, level.second_keys()
        unlike = voxels.classes.unsqueeze(1) != torch.arange(
            self.num_classes, device=voxels.classes.device
        )
        pool = unlike & voxels.eligible.unsqueeze(1)
        drawn = torch.zeros_like(pool)
        if self.relation.negatives == "uniform_per_class":
            for c in range(self.num_classes):
                drawn[self._second_draw(keys, pool[:, c]), c] = True
            return drawn
        drawn[self._second_draw(keys, voxels.eligible)] = True
        if self.relation.negatives == "uniform_and_anchors":
            drawn[level.chosen] = True
        return drawn & unlike

    def _second_draw(self, keys: Int[Tensor, " n"], among: Bool[Tensor, " n"]) -> Int[Tensor, " m"]:
        """Draw negatives from the global batch."""
        places = among.nonzero().squeeze(1)
        chosen = draw_uniform(keys[places], self.relation.max_negatives, concatenate_over_ranks)
        return places[chosen]

    def _loss(
        self,
        embeddings: Float[Tensor, "n f"],
        classes: Int[Tensor, " n"],
        is_anchor: Bool[Tensor, " n"],
        repels: Bool[Tensor, "n k"],
    ) -> Float[Tensor, ""]:
        anchors, labels = embeddings[is_anchor], classes[is_anchor]
        negative = repels.any(1)
        others = Others(
            positives=gather_rows(anchors),
            positive_classes=gather_rows(labels),
            negatives=gather_rows(embeddings[negative]),
            repels=gather_rows(repels[negative].to(torch.uint8)).bool(),
        )
        before = sum(row_counts(anchors)[: rank()])
        places = torch.arange(len(anchors), device=anchors.device) + before
        losses, valid = anchor_losses(anchors, labels, places, others, self.relation.temperature)
        weights = self._anchor_weights(labels[valid]).to(losses.dtype)
        return (losses * weights[labels]).sum()

    def _anchor_weights(self, classes: Int[Tensor, " n"]) -> Float[Tensor, " k"]:
        """Weigh an anchor by its class: alike, or so that each class's mean has its weight."""
        local = torch.bincount(classes, minlength=self.num_classes)
        counts = sum_over_ranks(local.double())
        if self.relation.class_weights == "one":
            return torch.ones_like(counts) / counts.sum().clamp(min=1)
        weights = class_weights(counts, counts > 0, self.relation.class_weights)
        return weights / counts.clamp(min=1)
