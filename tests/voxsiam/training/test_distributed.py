"""N gloo processes give the loss, the gradient and the sample of one."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from tests.voxsiam.training.gloo import GlooWorker, group, run_ranks
from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.collective import DDP_SETTINGS, sum_over_ranks
from voxsiam.training.batch import Batch, Moment, rank_part, read_batches
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import Training, build_objective, fit, score_cases
from voxsiam.training.objective import Objective
from voxsiam.types import Split

CASES = ("a", "b", "c", "d", "e")
CPU = torch.device("cpu")


def double_batch(batch: Batch) -> Batch:
    return replace(batch, images=batch.images.double())


def loss_and_gradient(rank, world_size, cases, layers):
    """Return this rank's logged loss and, after DDP's mean, the gradient of every parameter."""
    recipe = make_recipe(layers=layers)
    objective = build_objective(recipe, 0, torch.device("cpu")).double()
    module: torch.nn.Module = objective
    if world_size > 1:
        module = DistributedDataParallel(objective, **DDP_SETTINGS)
    (batch,) = read_batches([cases], make_volume, rank, world_size)
    if not batch.case_ids:
        blank = torch.zeros(0, 1, 16, 16, 16)
        batch = Batch((), len(cases), blank, blank[:, 0].byte())
    outcome = module(double_batch(batch), Moment(0, 0, 0))
    outcome.loss.backward()
    share = outcome.loss.detach().clone()
    if world_size > 1:
        dist.all_reduce(share)
    gradient = torch.cat([p.grad.flatten() for p in objective.parameters() if p.grad is not None])
    return share.item() / world_size, gradient.numpy()


def start(rank, world_size, folder):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size
    )


def compute(rank, world_size, folder, cases, layers):
    start(rank, world_size, folder)
    torch.set_num_threads(1)
    loss, gradient = loss_and_gradient(rank, world_size, cases, layers)
    np.savez(Path(folder) / f"rank{rank}.npz", loss=loss, gradient=gradient)
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("world_size", "cases"),
    [
        (2, CASES[:4]),
        (2, CASES[:3]),  # 1 + 2 cases
        (2, CASES[:1]),  # an empty rank
        (3, CASES[:4]),
    ],
)
def test_loss_and_gradient_of_the_global_batch(tmp_path, world_size, cases):
    expected_loss, expected = loss_and_gradient(0, 1, cases, 3)
    arguments = (world_size, str(tmp_path), cases, 3)
    run_ranks(compute, world_size, *arguments)
    for rank in range(world_size):
        found = np.load(tmp_path / f"rank{rank}.npz", allow_pickle=False)
        assert found["loss"] == pytest.approx(expected_loss, rel=1e-12)
        difference = np.abs(found["gradient"] - expected).max()
        assert difference <= 1e-12 * max(1, np.abs(expected).max())


def train(rank, world_size, folder):
    start(rank, world_size, folder)
    records = []
    split = Split(train=CASES, validation=("v", "w", "x"), test=("t",))
    training = Training("run", make_recipe(epochs=2), 0, split, Path(folder) / "checkpoints")
    fit(training, make_volume, GlooWorker(rank, world_size, records.append))
    if rank == 0:
        (Path(folder) / "records.json").write_text(json.dumps(records))
    dist.destroy_process_group()


def test_a_whole_training_on_two_workers_follows_that_on_one(tmp_path):
    split = Split(train=CASES, validation=("v", "w", "x"), test=("t",))
    training = Training("run", make_recipe(epochs=2), 0, split, tmp_path / "one")
    _, expected = fit(training, make_volume, SingleProcess(lambda _: None, torch.device("cpu")))
    run_ranks(train, 2, 2, str(tmp_path))
    found = json.loads((tmp_path / "records.json").read_text())
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["train/loss"] == pytest.approx(theirs["train/loss"], rel=1e-4)
        assert ours["validation/dsc"] == pytest.approx(theirs["validation/dsc"], abs=0.02)


def score(rank, world_size, folder, cases):
    start(rank, world_size, folder)
    worker = GlooWorker(rank, world_size, lambda _: None)
    figures = score_cases(build_objective(make_recipe(), 0, CPU), cases, make_volume, worker)
    (Path(folder) / f"rank{rank}.json").write_text(json.dumps(figures))
    dist.destroy_process_group()


def test_every_rank_tells_the_score_of_all_validation_cases(tmp_path):
    objective, alone = build_objective(make_recipe(), 0, CPU), SingleProcess(lambda _: None, CPU)
    cases = ("v", "w", "x")
    expected = score_cases(objective, cases, make_volume, alone)
    first = score_cases(objective, cases[:1], make_volume, alone)
    assert first["validation/dsc"] != pytest.approx(expected["validation/dsc"], rel=1e-3)
    run_ranks(score, 2, 2, str(tmp_path), cases)
    for rank in range(2):
        assert json.loads((tmp_path / f"rank{rank}.json").read_text()) == expected


class StoppedError(Exception):
    pass


def train_in_parts(rank, world_size, folder, stop_after):
    def note(record):
        records.append(record)
        if record["epoch"] == stop_after:
            raise StoppedError

    records = []
    split = Split(train=CASES, validation=("v", "w", "x"), test=())
    training = Training("run", make_recipe(epochs=3), 0, split, Path(folder) / "checkpoints")
    with group(rank, world_size, folder), suppress(StoppedError):
        fit(training, make_volume, GlooWorker(rank, world_size, note))


def weights(folder):
    return (folder / "checkpoints" / "epoch-0003" / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_that_go_on_from_a_checkpoint_end_as_if_never_stopped(tmp_path, world_size):
    for name in ("unbroken", "stopped"):
        (tmp_path / name).mkdir()
    run_ranks(train_in_parts, world_size, world_size, str(tmp_path / "unbroken"), None)
    run_ranks(train_in_parts, world_size, world_size, str(tmp_path / "stopped"), 1)
    (tmp_path / "stopped" / f"meet-{world_size}").unlink(missing_ok=True)
    run_ranks(train_in_parts, world_size, world_size, str(tmp_path / "stopped"), None)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "unbroken")


def test_an_objective_without_feature_loss_has_no_heads():
    assert Objective(make_recipe(layers=0)).heads is None
    assert rank_part(CASES, 0, 1) == CASES


def add_up(rank, world_size, folder, numbers):
    start(rank, world_size, folder)
    given = torch.arange(numbers, dtype=torch.float64).mul(rank + 1).requires_grad_()
    total = sum_over_ranks(given)
    # Another weight on every rank: what flows back is the sum of them.
    (total * (10.0 + rank)).sum().backward()
    assert given.grad is not None
    np.savez(Path(folder) / f"rank{rank}.npz", total=total.detach().numpy(), grad=given.grad)
    dist.destroy_process_group()


@pytest.mark.parametrize("numbers", [1, 100, 40_000], ids=["one", "gathered", "reduced"])
def test_a_sum_over_ranks_is_the_sum_however_large(tmp_path, numbers):
    run_ranks(add_up, 3, 3, str(tmp_path), numbers)
    for rank in range(3):
        found = np.load(tmp_path / f"rank{rank}.npz")
        np.testing.assert_array_equal(found["total"], np.arange(numbers) * 6.0)
        np.testing.assert_array_equal(found["grad"], np.full(numbers, 33.0))
