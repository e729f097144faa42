"""A hundred steps whose losses are written down: `METHOD_VERSION` is raised when they change.

After a change that is meant to have a numeric effect, write the new trace with
`.venv/bin/python -m tests.voxsiam.training.test_golden_trace` and raise METHOD_VERSION.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.training.batch import Moment, epoch_plan, read_batches
from voxsiam.training.loop import build_objective, build_optimiser
from voxsiam.training.recipe import METHOD_VERSION, OptimiserConfig

FILE = Path(__file__).with_name("golden_trace.json")
STEPS = 100


def written_weights(objective: nn.Module) -> None:
    """Weights from NumPy: torch's own draws differ between processors by a rounding."""
    generator = np.random.default_rng(0)
    for parameter in objective.parameters():
        if parameter.dim() > 1:
            bound = parameter[0].numel() ** -0.5
            drawn = generator.uniform(-bound, bound, tuple(parameter.shape))
            parameter.data.copy_(torch.from_numpy(drawn))


def trace() -> list[float]:
    """Loss of each step of the method on three levels, in float64.

    The rate is low, or a rounding would decide after some steps which voxel counts as wrong.
    """
    slow = OptimiserConfig(learning_rate=1e-5)
    recipe = make_recipe(layers=3).with_changes(optimiser=slow)
    objective = build_objective(recipe, 0, torch.device("cpu")).double()
    written_weights(objective)
    optimiser = build_optimiser(objective, recipe.optimiser)
    losses = []
    for epoch in range(STEPS // 2):
        plan = epoch_plan("abcdef", seed=0, epoch=epoch, batch_size=4)
        for step, batch in enumerate(read_batches(plan, make_volume, 0, 1)):
            double = replace(batch, images=batch.images.double())
            loss = objective(double, Moment(0, epoch, step)).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return losses


def test_the_hundred_steps_are_those_of_this_method_version():
    golden = json.loads(FILE.read_text())
    assert golden["method_version"] == METHOD_VERSION
    assert trace() == pytest.approx(golden["losses"], rel=1e-5)


if __name__ == "__main__":
    FILE.write_text(json.dumps({"method_version": METHOD_VERSION, "losses": trace()}, indent=1))
