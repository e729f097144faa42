"""What more classes cost: the paper's eight organs against 104, in a training step and in scores.

Run: .venv/bin/python platform/benchmarks/many_organs.py [--grid 48x48x32] [--rounds 5]
"""

import argparse
import multiprocessing
import resource
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import UInt8
from pairs import show, time_in_turn

from voxsiam.metrics.case_scores import score_case
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.training.numerics import TrainingStep
from voxsiam.training.recipe import NumericsConfig
from voxsiam.types import PAPER_ORGANS, Shape
from voxsiam_cli.options import parse_grid
from voxsiam_experiments.presets import PRESETS
from voxsiam_experiments.recipes import voxel_simsiam

FEW, MANY = len(PAPER_ORGANS), 104
CASES = 4
SPACING_MM = (5.0, 2.5, 2.5)


def step_of(organs: int, grid_dhw: Shape) -> Callable[[], object]:
    """Return a training step of the demo's network with Dice and voxel SimSiam loss."""
    numerics = NumericsConfig(autocast="float32", memory_format="contiguous")
    recipe = PRESETS["mini"].apply(voxel_simsiam(layers=3), grid_dhw, organs + 1)
    return TrainingStep(recipe.with_changes(numerics=numerics), grid_dhw, CASES)


def blocks_of(organs: int, grid_dhw: Shape, moved: int) -> UInt8[np.ndarray, "d h w"]:
    """Fill a tenth of a grid with equal blocks, one an organ."""
    label = np.zeros(grid_dhw, np.uint8)
    side = max(2, round((np.prod(grid_dhw) / organs / 10) ** (1 / 3)))
    rng = np.random.default_rng(0)
    for value in range(1, organs + 1):
        d, h, w = (int(rng.integers(0, n - side - moved)) + moved for n in grid_dhw)
        label[d : d + side, h : h + side, w : w + side] = value
    return label


def scoring_of(organs: int, grid_dhw: Shape) -> Callable[[], object]:
    """Return the scoring of a case in which each organ lies one voxel off."""
    rules = ScoringRules(classes=tuple(f"organ_{n}" for n in range(organs)))
    labels = (blocks_of(organs, grid_dhw, moved) for moved in (0, 1))
    return partial(score_case, "a", *labels, SPACING_MM, rules=rules)


def peak_of(organs: int, grid_dhw: Shape) -> float:
    """Return the largest memory of a process that makes two steps, in GiB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak_here, (organs, grid_dhw))


def _peak_here(organs: int, grid_dhw: Shape) -> float:
    step = step_of(organs, grid_dhw)
    step()
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Compare times in turn, and the memory of processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default="48x48x32")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    grid = parse_grid(asked.grid)
    for name, work in (("training step", step_of), ("scores of a case", scoring_of)):
        times = time_in_turn(work(FEW, grid), work(MANY, grid), asked.rounds)
        show(f"{name}, {FEW} organs against {MANY}", times)
    few, many = (peak_of(organs, grid) for organs in (FEW, MANY))
    print(f"peak memory of a training: {few:.2f} GiB with {FEW} organs, {many:.2f} with {MANY}")


if __name__ == "__main__":
    main()
