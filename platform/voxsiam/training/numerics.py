"""Which precision and memory layout is fastest here: measured once per study, then written down."""

import time
from itertools import product
from typing import get_args

import torch

from voxsiam.errors import UserError
from voxsiam.models.bfloat16 import bfloat16_is_sound, has_bfloat16
from voxsiam.training.batch import Batch, Moment
from voxsiam.training.loop import build_objective, build_optimiser
from voxsiam.training.recipe import Layout, NumericsConfig, Precision, Recipe
from voxsiam.types import Shape

ROUNDS = 3


def resolve_numerics(recipe: Recipe, grid_dhw: Shape, cases: int, threads: int) -> Recipe:
    """Replace `auto` in a recipe by the fastest candidate on this machine.

    Candidates take turns, and the best of each one's rounds counts: other work on the machine
    slows all of them and makes none of them faster.

    Args:
        recipe: Fields that are not `auto` are kept.
        cases: That one worker holds in a step.
        threads: That one worker computes with.
    """
    candidates = _candidates(recipe, grid_dhw)
    if recipe.numerics.resolved:
        return recipe
    settled = [recipe.with_changes(numerics=numerics) for numerics in candidates]
    steps = [TrainingStep(candidate, grid_dhw, cases) for candidate in settled]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rounds = [[step.seconds() for step in steps] for _ in range(1 + ROUNDS)]
    finally:
        torch.set_num_threads(before)
    del steps
    if torch.cuda.is_available():
        # The trials want this memory, in other processes.
        torch.cuda.empty_cache()
    best = [min(times) for times in zip(*rounds[1:], strict=True)]
    return settled[best.index(min(best))]


class TrainingStep:
    """One optimiser step of a recipe on random input, again and again."""

    def __init__(self, recipe: Recipe, grid_dhw: Shape, cases: int) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._objective = build_objective(recipe, 0, device)
        self._optimiser = build_optimiser(self._objective, recipe.optimiser)
        images = torch.rand(cases, 1, *grid_dhw, generator=torch.Generator().manual_seed(0))
        labels = (images[:, 0] * recipe.network.num_classes).byte()
        self._batch = Batch(tuple(map(str, range(cases))), cases, images, labels).to(device)

    def __call__(self) -> None:
        """Forward, backward, update; back when the device has finished."""
        self._optimiser.zero_grad(set_to_none=True)
        self._objective(self._batch, Moment(0, 0, 0)).loss.backward()
        self._optimiser.step()
        if self._batch.images.is_cuda:
            torch.cuda.synchronize()

    def seconds(self) -> float:
        """Time one step."""
        start = time.perf_counter()
        self()
        return time.perf_counter() - start


def _candidates(recipe: Recipe, grid_dhw: Shape) -> list[NumericsConfig]:
    given = recipe.numerics
    precisions = (given.autocast,)
    if given.autocast == "auto":
        # Without instructions for it a single step of a study takes minutes.
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        precisions = get_args(Precision) if has_bfloat16(device) else ("float32",)
    layouts = get_args(Layout) if given.memory_format == "auto" else (given.memory_format,)
    candidates = [
        NumericsConfig(autocast=precision, memory_format=layout)
        for precision, layout in product(precisions, layouts)
    ]
    if not bfloat16_is_sound(recipe.network, grid_dhw):
        candidates = [candidate for candidate in candidates if candidate.autocast == "float32"]
    if not candidates:
        raise UserError(
            f"on CPU, bfloat16 gives wrong gradients to {recipe.network.name} on this grid: "
            "a level has two voxels along d",
            where="numerics.autocast",
            fix="use float32, or a grid with more slices",
        )
    return candidates
