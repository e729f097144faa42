"""What the report must say about the voxel budgets of a study."""

import math
from collections.abc import Sequence

from voxsiam.losses.config import SamplingConfig
from voxsiam.training.recipe import Recipe
from voxsiam.types import Shape
from voxsiam_experiments.table import Table


def budget_notes(table: Table, recipes: Sequence[Recipe], grid_dhw: Shape) -> list[str]:
    """Say which budgets differ from the paper's, and which limit nothing."""
    notes: list[str] = []
    for row, recipe in zip(table.rows, recipes, strict=True):
        if recipe.feature_loss is None:
            continue
        sampling = recipe.feature_loss.sampling
        coarsest = 2 ** (recipe.network.levels - 1)
        if sampling.plan == "every_voxel":
            continue
        cases = recipe.batch_size if sampling.scope == "batch" else 1
        deepest = cases * math.prod(axis // coarsest for axis in grid_dhw)
        if sampling.max_voxels >= deepest:
            notes.append(
                f"{row.label}: the deepest layer has {deepest} voxels a {sampling.scope}, so its "
                f"budget of {sampling.max_voxels} limits nothing."
            )
    paper = SamplingConfig()
    budgets = [recipe.feature_loss.sampling for recipe in recipes if recipe.feature_loss]
    if budgets and budgets[0].max_voxels != paper.max_voxels:
        notes.append(
            f"Voxel budgets are scaled with the grid: {budgets[0].max_voxels} a layer and batch, "
            f"{budgets[0].max_false_negatives} of them false negatives (the paper: "
            f"{paper.max_voxels} and {paper.max_false_negatives})."
        )
    return notes
