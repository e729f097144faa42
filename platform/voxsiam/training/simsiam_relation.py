"""The paper's relation: voxels of one class predict each other, in and across levels (Eq. 7)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from voxsiam.losses.config import FeatureLossConfig, SimSiamConfig
from voxsiam.losses.precision import at_least_float32
from voxsiam.losses.voxel_simsiam import (
    PairSums,
    class_sums,
    class_weights,
    self_pair_sums,
    voxel_simsiam_from_sums,
)
from voxsiam.models.heads import SimSiamHeads
from voxsiam.training.feature_terms import (
    ClassTable,
    FeatureTerms,
    class_table,
    figures_of,
    level_name,
    sum_tables,
)
from voxsiam.training.voxel_draw import LayerVoxels

Local = tuple[Float[Tensor, "k _f"], Float[Tensor, " k"]]
"""A level's prediction sums and self pairs on this rank."""


class SimSiamRelation(nn.Module):
    """Eqs. 4 to 7 on the sampled voxels of the global batch.

    Args:
        channels: Of the levels, the deepest first.
    """

    def __init__(
        self,
        channels: Sequence[int],
        config: FeatureLossConfig,
        relation: SimSiamConfig,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.config, self.relation, self.num_classes = config, relation, num_classes
        self.heads = nn.ModuleList(_heads(c, relation) for c in channels)

    def forward(self, levels: Sequence[LayerVoxels]) -> FeatureTerms:
        """Return one term for each level, or a single one where levels are paired."""
        local: list[Local] = []
        tables: list[Tensor] = []
        for heads, level in zip(self.heads, levels, strict=True):
            classes = level.candidates.classes[level.chosen]
            prediction, target = heads(at_least_float32(level.features[level.chosen]))
            own = self_pair_sums(prediction, target, classes, self.num_classes)
            local.append((class_sums(prediction, classes, self.num_classes), own))
            sums = class_sums(target.detach(), classes, self.num_classes)
            tables.append(class_table(sums, level.candidates, level.chosen, self.num_classes))
        whole = sum_tables(tables)
        terms = self._joint(local, whole) if self.relation.cross_layer else self._each(local, whole)
        return FeatureTerms(terms, figures_of(whole))

    def _each(self, local: list[Local], whole: list[ClassTable]) -> dict[str, Tensor]:
        together = sum(self._frequency(table) for table in whole)
        over_all = self.relation.weights_counted_over == "all_layers"
        terms: dict[str, Tensor] = {}
        for layer, ((prediction, own), table) in enumerate(zip(local, whole, strict=True)):
            sums = self._sums(prediction, own, table.vector_sums, table.drawn)
            frequency = together if over_all else self._frequency(table)
            term = self._loss(sums, torch.as_tensor(frequency))
            terms[level_name(layer)] = self.config.layer_weight(layer) * term
        return terms

    def _joint(self, local: list[Local], whole: list[ClassTable]) -> dict[str, Tensor]:
        """Pair voxels of all levels; w_f then weighs the pairs by the level that predicts."""
        weights = [self.config.layer_weight(layer) for layer in range(len(local))]
        prediction = sum(w * p for w, (p, _) in zip(weights, local, strict=True))
        own = sum(w * s for w, (_, s) in zip(weights, local, strict=True))
        sums = self._sums(
            torch.as_tensor(prediction),
            torch.as_tensor(own),
            torch.stack([table.vector_sums for table in whole]).sum(0),
            torch.stack([table.drawn for table in whole]).sum(0),
        )
        frequency = sum(self._frequency(table) for table in whole)
        return {"all_layers": self._loss(sums, torch.as_tensor(frequency))}

    def _sums(self, prediction: Tensor, own: Tensor, target: Tensor, counts: Tensor) -> PairSums:
        self_pairs = own if self.relation.exclude_self_pairs else None
        return PairSums(prediction, target, self_pairs, counts)

    def _loss(self, sums: PairSums, frequency: Tensor) -> Float[Tensor, ""]:
        weights = class_weights(frequency, sums.present, self.relation.class_weights)
        return voxel_simsiam_from_sums(sums, weights, self.relation.pair_reduction)

    def _frequency(self, table: ClassTable) -> Float[Tensor, " k"]:
        on_sampled = self.relation.weights_counted_on == "sampled"
        return table.drawn if on_sampled else table.all_voxels


def _heads(channels: int, relation: SimSiamConfig) -> SimSiamHeads:
    hidden = relation.hidden_dim
    named = {"hidden_dim": hidden, "layer_channels": channels, "quarter": max(1, hidden // 4)}
    out, inside = relation.output_dim, relation.prediction_dim
    return SimSiamHeads(
        channels,
        hidden,
        output_dim=named[out] if isinstance(out, str) else out,
        prediction_dim=named[inside] if isinstance(inside, str) else inside,
        normalise=relation.normalise_heads,
    )
