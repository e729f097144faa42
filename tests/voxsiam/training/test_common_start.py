"""Ranks that see a folder differently go on from one checkpoint, or end."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.voxsiam.training.gloo import group, run_ranks
from tests.voxsiam.training.toy import make_recipe
from voxsiam.training import checkpoint
from voxsiam.training.checkpoint import CheckpointFolder, CheckpointUnseenError, TrainingState
from voxsiam.training.common_start import newest_for_all
from voxsiam.training.loop import build_objective, build_optimiser

CPU = torch.device("cpu")


def write_checkpoints(folder, *epochs, weight=None):
    """Save an untrained network after so many epochs; `weight` tells two of them apart."""
    objective = build_objective(make_recipe(layers=0), 0, CPU)
    if weight is not None:
        with torch.no_grad():
            next(objective.parameters()).fill_(weight)
    optimiser = build_optimiser(objective, make_recipe().optimiser)
    for epoch in epochs:
        CheckpointFolder(folder).save(TrainingState(epoch, "run", ()), objective, optimiser)


def find(rank, folder, late):
    """Each rank has its own view of the folder; a late one is shown what the first one sees."""
    views = [Path(folder) / f"view-{number}" for number in range(2)]
    if late:
        # The file system shows the checkpoint while the rank waits, not after so many seconds.
        checkpoint.time.sleep = lambda _: shutil.copytree(views[0], views[1], dirs_exist_ok=True)
    else:
        CheckpointFolder.exactly.__defaults__ = (0.0,)
    outcome = Path(folder) / f"outcome-{rank}"
    with group(rank, 2, folder):
        try:
            found = newest_for_all(CheckpointFolder(views[rank]), "run", rank)
        except CheckpointUnseenError as error:
            outcome.write_text(f"ended: {error}")
        else:
            outcome.write_text("anew" if found is None else f"{found[0].name}")


def outcomes(folder, *, late=False):
    run_ranks(find, 2, str(folder), late)
    return [(folder / f"outcome-{rank}").read_text() for rank in range(2)]


@pytest.fixture
def views(tmp_path):
    folders = tmp_path / "view-0", tmp_path / "view-1"
    for folder in folders:
        folder.mkdir()
    return folders


def test_both_open_the_newest_that_both_see(tmp_path, views):
    write_checkpoints(views[0], 2, 3)
    shutil.copytree(views[0], views[1], dirs_exist_ok=True)
    assert outcomes(tmp_path) == ["epoch-0003", "epoch-0003"]


def test_a_rank_with_a_stale_view_does_not_go_on_from_another_epoch(tmp_path, views):
    write_checkpoints(views[0], 2)
    shutil.copytree(views[0], views[1], dirs_exist_ok=True)
    write_checkpoints(views[0], 3)
    first, second = outcomes(tmp_path)
    assert first == second
    assert first.startswith("ended: on ")
    assert "epoch-0003" in first
    assert "storage that all nodes see alike" in first


def test_a_checkpoint_that_is_shown_late_is_waited_for(tmp_path, views):
    write_checkpoints(views[0], 2)
    shutil.copytree(views[0], views[1], dirs_exist_ok=True)
    write_checkpoints(views[0], 3)
    assert outcomes(tmp_path, late=True) == ["epoch-0003", "epoch-0003"]


def test_another_checkpoint_of_the_same_name_is_not_taken(tmp_path, views):
    write_checkpoints(views[0], 3)
    write_checkpoints(views[1], 3, weight=0.5)
    first, second = outcomes(tmp_path)
    assert first == second
    assert "another checkpoint of that name" in first


def test_a_damaged_copy_is_not_taken(tmp_path, views):
    write_checkpoints(views[0], 3)
    shutil.copytree(views[0], views[1], dirs_exist_ok=True)
    weights = views[1] / "epoch-0003" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    first, second = outcomes(tmp_path)
    assert first == second
    assert "weights.safetensors is not what was written" in first


def test_where_the_first_rank_sees_none_all_begin_anew(tmp_path, views):
    write_checkpoints(views[1], 3)
    assert outcomes(tmp_path) == ["anew", "anew"]


def test_a_single_process_looks_for_itself(tmp_path):
    write_checkpoints(tmp_path, 1, 2)
    found = newest_for_all(CheckpointFolder(tmp_path), "run", 0)
    assert found is not None
    assert found[1].epochs_done == 2
    assert newest_for_all(CheckpointFolder(tmp_path), "other", 0) is None
