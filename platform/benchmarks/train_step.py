"""A training step of the demo's network against the same in float32, contiguous, eager mode.

Run: .venv/bin/python platform/benchmarks/train_step.py [--rounds 9]
"""

import argparse

import torch
from pairs import show, time_in_turn

from voxsiam.training.numerics import TrainingStep, resolve_numerics
from voxsiam.training.recipe import NumericsConfig
from voxsiam_experiments.presets import PRESETS
from voxsiam_experiments.recipes import voxel_simsiam

CASES = 4


def main() -> None:
    """Time both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    preset = PRESETS["mini"]
    grid = preset.grid_dhw
    recipe = preset.apply(voxel_simsiam(layers=3), grid)
    ours = resolve_numerics(recipe, grid, CASES, torch.get_num_threads())
    plain = NumericsConfig(autocast="float32", memory_format="contiguous")
    baseline = TrainingStep(recipe.with_changes(numerics=plain), grid, CASES)
    chosen = f"{ours.numerics.autocast} {ours.numerics.memory_format}"
    title = f"training step, width {preset.width}, {chosen}"
    show(title, time_in_turn(baseline, TrainingStep(ours, grid, CASES), rounds))


if __name__ == "__main__":
    main()
