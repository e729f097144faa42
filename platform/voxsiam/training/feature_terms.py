"""What a feature loss gives for a batch, whatever its relation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from voxsiam.collective import sum_over_ranks
from voxsiam.losses.voxel_sampling import Candidates
from voxsiam.losses.voxel_simsiam import class_cosines, class_counts


@dataclass(frozen=True)
class FeatureTerms:
    """The loss terms of a batch.

    Attributes:
        shares: This rank's share of each term of the global batch's loss, by name, w_f included.
        figures: What to log beside it, one value or one of each class: equal on all ranks, not
            differentiable.
    """

    shares: Mapping[str, Float[Tensor, ""]]
    figures: Mapping[str, Float[Tensor, "*k"]] = field(default_factory=dict)

    def total(self) -> Float[Tensor, ""]:
        """Add up the shares: this rank's share of L_feature."""
        return torch.stack(list(self.shares.values())).sum()


def level_name(layer: int) -> str:
    """Name a level as the paper counts: layer_1 is the deepest."""
    return f"layer_{layer + 1}"


def class_table(
    vector_sums: Float[Tensor, "k f"], candidates: Candidates, drawn: Tensor, num_classes: int
) -> Float[Tensor, "k f+3"]:
    """Put beside a level's class sums: voxels drawn, voxels of the level, false negatives drawn.

    Whatever is counted or summed by class and needed over all ranks stands in one table, so that
    a step needs one collective for it.
    """
    classes = candidates.classes
    columns = [
        class_counts(classes[drawn], num_classes),
        class_counts(classes[candidates.eligible], num_classes),
        class_counts(classes[drawn][candidates.false_negative[drawn]], num_classes),
    ]
    beside = torch.stack(columns, dim=1).to(vector_sums.dtype)
    return torch.cat([vector_sums.detach(), beside], dim=1)


@dataclass(frozen=True)
class ClassTable:
    """A level's class table over all ranks."""

    vector_sums: Float[Tensor, "k f"]
    drawn: Float[Tensor, " k"]
    all_voxels: Float[Tensor, " k"]
    false_negatives: Float[Tensor, " k"]


def figures_of(tables: Sequence[ClassTable]) -> dict[str, Float[Tensor, "*k"]]:
    """Name what shows a collapse, and what the draw gave, level by level."""
    figures: dict[str, Tensor] = {}
    for layer, table in enumerate(tables):
        name = level_name(layer)
        within, between = class_cosines(table.vector_sums, table.drawn)
        figures |= {
            f"cosine_within_class/{name}": within,
            f"cosine_between_classes/{name}": between,
            f"sampled_false_negatives/{name}": table.false_negatives.sum(),
            f"sampled/{name}": table.drawn,
        }
    return figures


def sum_tables(tables: Sequence[Float[Tensor, "k _f"]]) -> list[ClassTable]:
    """Add the tables of all levels over all ranks, in one collective and in float64."""
    wide = sum_over_ranks(torch.cat([table.flatten() for table in tables]).double())
    parts = wide.split([table.numel() for table in tables])
    whole = [part.view_as(table).to(table.dtype) for part, table in zip(parts, tables, strict=True)]
    return [ClassTable(table[:, :-3], *table[:, -3:].unbind(1)) for table in whole]
