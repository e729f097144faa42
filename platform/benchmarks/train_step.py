"""A training step of the demo's network against the same in float32, contiguous, eager mode.

Run: .venv/bin/python platform/benchmarks/train_step.py
"""

import torch
from pairs import show, time_in_turn

from experiments.presets import PRESETS
from experiments.recipes import voxel_simsiam
from voxsiam.training.batch import Batch
from voxsiam.training.config import NumericsConfig, Recipe
from voxsiam.training.loop import build_objective, build_optimiser
from voxsiam.training.numerics import resolve_numerics
from voxsiam.training.objective import Moment

CASES, ROUNDS = 4, 9


class Step:
    """One optimiser step on random input, again and again."""

    def __init__(self, recipe: Recipe, batch: Batch) -> None:
        self._objective = build_objective(recipe, 0, batch.images.device)
        self._optimiser = build_optimiser(self._objective, recipe.optimiser)
        self._batch = batch

    def __call__(self) -> None:
        """Forward, backward, update."""
        self._optimiser.zero_grad(set_to_none=True)
        self._objective(self._batch, Moment(0, 0, 0))["loss"].backward()
        self._optimiser.step()
        if self._batch.images.is_cuda:
            torch.cuda.synchronize()


def main() -> None:
    """Time both in turn."""
    preset = PRESETS["mini"]
    recipe = preset.apply(voxel_simsiam(layers=3), preset.grid_dhw)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = torch.rand(CASES, 1, *preset.grid_dhw, generator=torch.Generator().manual_seed(0))
    labels = (images[:, 0] * recipe.network.num_classes).byte()
    batch = Batch(tuple("abcd"), CASES, images, labels).to(device)
    ours = resolve_numerics(recipe, preset.grid_dhw, CASES)
    plain = NumericsConfig(autocast="float32", memory_format="contiguous")
    baseline = recipe.with_changes(numerics=plain)
    chosen = f"{ours.numerics.autocast} {ours.numerics.memory_format}"
    title = f"training step, width {preset.width}, {chosen}"
    show(title, time_in_turn(Step(baseline, batch), Step(ours, batch), ROUNDS))


if __name__ == "__main__":
    main()
