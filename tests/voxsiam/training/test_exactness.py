"""N gloo ranks give the loss and the gradient of the global batch: 200 random objectives.

The bounds are those of the architecture: 1e-12 in float64; in float32 1e-6 on loss and feature
gradient, 1e-5 on the gradient of a whole network. Among the random objectives are some that cannot
be held to these bounds even in one process (batch normalisation of a few voxels, a ReLU that
rounding tips over): their float32 is far from their float64, or one process that takes the same
cases in another order, or images changed in their last digits, differs from itself by more than the
ranks do. They are counted and left out. The measured differences are printed at the end of the test
run.
"""

import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.voxsiam.training.gloo import group, run_ranks
from tests.voxsiam.training.random_objectives import (
    WORLD_SIZES,
    make_volume,
    random_objective,
)
from voxsiam.collective import DDP_SETTINGS
from voxsiam.models.network import NetworkOutput
from voxsiam.training.batch import Batch, Moment, read_batches
from voxsiam.training.loop import build_objective

SHORT, COUNT = 30, 200
DRAWS, LAST_DIGITS = 8, 4
PLANS_BLIND_TO_THE_PREDICTION = ("uniform", "class_balanced", "every_voxel")


class GivenNetwork(nn.Module):
    """Returns fixed logits and features of the batch's cases, so that no convolution rounds."""

    def __init__(self, network, batch, dtype, shape):
        super().__init__()
        strides = network.feature_strides
        shapes = [
            (9, *shape),
            *(
                (c, *(n // s for n in shape))
                for c, s in zip(network.feature_channels, strides, strict=True)
            ),
        ]
        self.given = [self.of_cases(batch, shape, i, dtype) for i, shape in enumerate(shapes)]
        self.feature_strides = strides

    @staticmethod
    def of_cases(batch, shape, number, dtype):
        rows = [
            torch.randn(shape, generator=torch.Generator().manual_seed(ord(case) * 10 + number))
            for case in batch.case_ids
        ]
        stacked = torch.stack(rows) if rows else torch.zeros(0, *shape)
        return stacked.to(dtype).requires_grad_()

    def forward(self, images):
        del images
        logits, *features = self.given
        return NetworkOutput(logits, tuple(features))


def batch_of(rank, world_size, case, dtype):
    def load(case_id):
        return make_volume(case_id, case.shape)

    (batch,) = read_batches([case.cases], load, rank, world_size)
    if not batch.case_ids:
        blank = torch.zeros(0, 1, *case.shape)
        batch = Batch((), len(case.cases), blank, blank[:, 0].byte())
    return replace(batch, images=batch.images.to(dtype))


def whole_step(index, rank, world_size, dtype):
    """Loss of the global batch and gradient of every parameter, as DDP gives them."""
    case = random_objective(index)
    return step_on(case, batch_of(rank, world_size, case, dtype), index, world_size)


def step_on(case, batch, index, world_size=1):
    objective = build_objective(case.recipe, 0, torch.device("cpu")).to(batch.images.dtype)
    module = DistributedDataParallel(objective, **DDP_SETTINGS) if world_size > 1 else objective
    outcome = module(batch, Moment(0, 0, index))
    outcome.loss.backward()
    gradients = [p.grad.flatten() for p in objective.parameters() if p.grad is not None]
    return global_loss(outcome, world_size), torch.cat(gradients).double().numpy()


def feature_step(index, rank, world_size, dtype):
    """Loss, and this rank's part of the gradient with respect to logits and features."""
    case = random_objective(index)
    objective = build_objective(case.recipe, 0, torch.device("cpu")).to(dtype)
    batch = batch_of(rank, world_size, case, dtype)
    given = GivenNetwork(objective.network, batch, dtype, case.shape)
    objective.network = given  # pyright: ignore[reportAttributeAccessIssue]
    outcome = objective(batch, Moment(0, 0, index))
    outcome.loss.backward()
    parts = [t.grad / world_size for t in given.given if t.grad is not None]
    # One row for each case of the rank: the ranks' rows, one after the other, are the batch's.
    rows = torch.cat([part.flatten(1) for part in parts], dim=1)
    return global_loss(outcome, world_size), rows.double().numpy()


def global_loss(outcome, world_size):
    share = outcome.loss.detach().double()
    if world_size > 1:
        dist.all_reduce(share)
    return share.item() / world_size


JOBS = {
    "float64, whole step": (whole_step, torch.float64, 1e-12),
    "float32, features": (feature_step, torch.float32, 1e-6),
    "float32, whole step": (whole_step, torch.float32, 1e-5),
}


def chosen(name, numbers):
    """Numbers of the objectives that a job covers."""
    step, dtype, _ = JOBS[name]
    if (step, dtype) != (whole_step, torch.float32):
        return list(numbers)
    # A convolution of another batch size rounds otherwise in float32, and a tie of two classes
    # may then break otherwise: where the prediction decides what is drawn, bounds say nothing.
    losses = {number: random_objective(number).recipe.feature_loss for number in numbers}
    return [
        n for n, f in losses.items() if not f or f.sampling.plan in PLANS_BLIND_TO_THE_PREDICTION
    ]


def compute(rank, folder, numbers):
    for world_size in WORLD_SIZES:
        if rank >= world_size:
            continue
        with group(rank, world_size, folder):
            for number, name in enumerate(JOBS):
                step, dtype, _ = JOBS[name]
                for index in chosen(name, numbers):
                    if random_objective(index).world_size == world_size:
                        loss, gradient = step(index, rank, world_size, dtype)
                        file = Path(folder) / f"{number}-{index}-{rank}.npz"
                        np.savez(file, loss=loss, gradient=gradient)


@pytest.fixture(
    scope="module",
    params=[
        range(SHORT),
        pytest.param(range(COUNT), marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def ranks(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exactness")
    run_ranks(compute, max(WORLD_SIZES), str(folder), request.param)
    return folder, request.param


def found_by(folder, number, index, step):
    """What every rank found: the loss of each, and the gradient of the global batch of each."""
    world_size = random_objective(index).world_size
    files = [
        np.load(folder / f"{number}-{index}-{rank}.npz", allow_pickle=False)
        for rank in range(world_size)
    ]
    losses = [file["loss"].item() for file in files]
    gradients = [file["gradient"] for file in files]
    return losses, [np.concatenate(gradients)] if step is feature_step else gradients


def difference(found, expected):
    """Largest difference of losses and of gradients, relative where they are above 1."""
    (loss, gradient), (expected_loss, expected_gradient) = found, expected
    scale = max(1.0, np.abs(expected_gradient).max(initial=0))
    return (
        abs(loss - expected_loss) / max(1.0, abs(expected_loss)),
        np.abs(gradient - expected_gradient).max(initial=0) / scale,
    )


def holds(step, index, dtype, bound, expected):
    """Whether the arithmetic itself holds the bound in one process, with room for luck."""
    if dtype == torch.float64:
        return True
    return max(difference(expected, step(index, 0, 1, torch.float64))) <= bound / 4


def own_spread(index, dtype, expected):
    """How far one process differs from itself where it should not, or hardly."""
    case = random_objective(index)
    shuffled = []
    for number in range(DRAWS):
        cases = list(case.cases)
        random.Random(number).shuffle(cases)
        other = replace(case, cases=tuple(cases))
        shuffled.append(step_on(other, batch_of(0, 1, other, dtype), index))
    blurred = []
    for number in range(DRAWS):
        batch = batch_of(0, 1, case, dtype)
        generator = torch.Generator().manual_seed(number)
        digits = torch.randn(batch.images.shape, generator=generator, dtype=dtype)
        images = batch.images * (1 + LAST_DIGITS * torch.finfo(dtype).eps * digits)
        blurred.append(step_on(case, replace(batch, images=images), index))
    return max(max(difference(found, expected)) for found in shuffled + blurred)


@pytest.mark.parametrize("name", JOBS)
def test_ranks_give_the_loss_and_gradient_of_the_global_batch(ranks, name, add_table):
    (folder, numbers), (step, dtype, bound) = ranks, JOBS[name]
    worst = defaultdict(lambda: [0, 0, 0.0, 0.0])
    for index in chosen(name, numbers):
        expected = step(index, 0, 1, dtype)
        row = worst[random_objective(index).name]
        if not holds(step, index, dtype, bound, expected):
            row[1] += 1
            continue
        losses, gradients = found_by(folder, list(JOBS).index(name), index, step)
        found = [
            difference((loss, gradient), expected) for loss in losses for gradient in gradients
        ]
        apart = max(map(max, found))
        if apart > bound and step is whole_step and own_spread(index, dtype, expected) >= apart:
            row[1] += 1
            continue
        row[0] += 1
        row[2:] = [max(row[2 + i], *(pair[i] for pair in found)) for i in (0, 1)]
    rows = [(*key, *row) for key, row in sorted(worst.items())]
    add_table(
        f"1 against 2, 3 and 4 ranks, {name} (bound {bound:g})",
        ("network", "feature loss", "objectives", "beyond its digits", "loss", "gradient"),
        [(a, b, str(n), str(m), f"{x:.1e}", f"{y:.1e}") for a, b, n, m, x, y in rows],
    )
    covered, left_out = (sum(row[column] for row in rows) for column in (2, 3))
    assert covered > 2 * left_out
    assert max(row[4] for row in rows) <= bound
    assert max(row[5] for row in rows) <= bound


def test_the_random_objectives_hold_what_they_promise():
    """Uneven batches, empty ranks, and classes that a rank lacks while another has them."""
    every = [random_objective(index) for index in range(COUNT)]
    assert {case.name for case in every} >= {
        (network, loss)
        for network in ("unet3d", "residual_unet3d", "vnet", "attention_unet3d")
        for loss in ("dice alone", "simsiam", "contrastive")
    }
    assert sum(len(case.cases) < case.world_size for case in every) > 20
    assert sum(len(case.cases) % case.world_size > 0 for case in every) > 50
    labels = {case: set(np.unique(make_volume(case, (16, 16, 32)).label)) for case in "abcdefghij"}
    assert sum(len(set.intersection(*(labels[c] for c in case.cases))) < 9 for case in every) > 100
