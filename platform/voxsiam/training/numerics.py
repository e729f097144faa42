"""Which precision and memory layout is fastest here: measured once per study, then written down."""

import statistics
import time
from itertools import product
from typing import get_args

import torch

from voxsiam.training.batch import Batch
from voxsiam.training.config import Layout, NumericsConfig, Precision, Recipe
from voxsiam.training.loop import build_objective, build_optimiser
from voxsiam.training.objective import Moment
from voxsiam.types import Shape

STEPS = 3


def resolve_numerics(recipe: Recipe, grid_dhw: Shape, cases: int) -> Recipe:
    """Replace `auto` in a recipe by the fastest candidate on this machine.

    Args:
        recipe: Fields that are not `auto` are kept.
        grid_dhw: Of the prepared volumes.
        cases: That one worker holds in a step.
    """
    if recipe.numerics.resolved:
        return recipe
    settled = [recipe.with_changes(numerics=numerics) for numerics in _candidates(recipe.numerics)]
    return min(settled, key=lambda candidate: step_seconds(candidate, grid_dhw, cases))


def step_seconds(recipe: Recipe, grid_dhw: Shape, cases: int, steps: int = STEPS) -> float:
    """Return the median time of a training step on random input, after one warm-up step."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    objective = build_objective(recipe, 0, device)
    optimiser = build_optimiser(objective, recipe.optimiser)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(cases, 1, *grid_dhw, generator=generator)
    labels = (images[:, 0] * recipe.network.num_classes).long().byte()
    batch = Batch(tuple(map(str, range(cases))), cases, images, labels).to(device)
    times = []
    for step in range(steps + 1):
        start = time.perf_counter()
        objective(batch, Moment(0, 0, step))["loss"].backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _candidates(given: NumericsConfig) -> list[NumericsConfig]:
    precisions = get_args(Precision) if given.autocast == "auto" else (given.autocast,)
    layouts = get_args(Layout) if given.memory_format == "auto" else (given.memory_format,)
    return [
        NumericsConfig(autocast=precision, memory_format=layout)
        for precision, layout in product(precisions, layouts)
    ]
