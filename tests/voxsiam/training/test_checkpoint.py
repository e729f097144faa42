import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.voxsiam.training.gloo import group, run_ranks
from tests.voxsiam.training.toy import make_recipe
from voxsiam.training import checkpoint
from voxsiam.training.checkpoint import (
    CheckpointFolder,
    CheckpointUnseenError,
    TrainingState,
    restore,
)
from voxsiam.training.loop import build_objective, build_optimiser

CPU = torch.device("cpu")

FILES = ("weights.safetensors", "optimiser.safetensors", "state.json")


def trained():
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return module, optimiser


@pytest.fixture
def folder(tmp_path):
    """Three epochs saved, of which the newest two are kept."""
    checkpoints = CheckpointFolder(tmp_path)
    for epoch in (1, 2, 3):
        checkpoints.save(TrainingState(epoch, "run", ({"epoch": float(epoch)},)), *trained())
    return checkpoints


def dead_process_id():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def epochs_found(folder, run_id="run"):
    found = folder.newest(run_id)
    return None if found is None else found[1].epochs_done


def test_the_newest_two_are_kept(folder):
    assert sorted(p.name for p in folder.folder.iterdir()) == ["epoch-0002", "epoch-0003"]
    assert epochs_found(folder) == 3


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "gone"])
def test_a_damaged_file_means_the_one_before(folder, name, damage):
    path = folder.folder / "epoch-0003" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "bit":
            path.write_bytes(content)
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case _:
            path.unlink()
    assert epochs_found(folder) == 2


@pytest.mark.parametrize("files", range(4))
def test_a_kill_at_any_file_boundary_leaves_the_one_before(folder, files):
    """A save that dies has only its partial folder, however many files are in it."""
    partial = folder.folder / f".tmp-{socket.gethostname()}-{dead_process_id()}-0"
    partial.mkdir()
    for name in FILES[:files]:
        shutil.copy(folder.folder / "epoch-0003" / name, partial / name)
    assert epochs_found(folder) == 3
    folder.save(TrainingState(4, "run", ()), *trained())
    assert not partial.exists()
    assert epochs_found(folder) == 4


def test_every_flipped_bit_of_the_state_is_noticed(folder):
    path = folder.folder / "epoch-0003" / "state.json"
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        content = bytearray(whole)
        content[position] ^= 1 << position % 8
        path.write_bytes(content)
        assert epochs_found(folder) == 2


def test_what_is_damaged_never_outlives_what_is_saved_after_it(folder):
    for path in folder.folder.iterdir():
        (path / "state.json").write_bytes(b"")
    assert epochs_found(folder) is None
    folder.save(TrainingState(1, "run", ()), *trained())
    assert epochs_found(folder) == 1


def test_epochs_are_ordered_as_numbers(folder):
    for epoch in (9999, 10000, 10001):
        folder.save(TrainingState(epoch, "run", ()), *trained())
    assert epochs_found(folder) == 10001


def test_another_runs_checkpoint_is_not_continued(folder):
    assert epochs_found(folder, "other") is None


def test_restore_gives_back_weights_moments_and_generator(folder):
    module, optimiser = trained()
    path, _ = folder.newest("run")
    expected = (torch.rand(3), {n: t.clone() for n, t in module.state_dict().items()})
    torch.manual_seed(99)
    other = nn.Linear(3, 2)
    fresh = torch.optim.Adam(other.parameters())
    restore(path, other, fresh)
    assert torch.equal(torch.rand(3), expected[0])
    assert all(torch.equal(t, expected[1][n]) for n, t in other.state_dict().items())
    for ours, theirs in zip(fresh.state.values(), optimiser.state.values(), strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in ("step", "exp_avg", "exp_avg_sq"))


def test_state_is_plain_json(folder):
    content = json.loads((folder.folder / "epoch-0003" / "state.json").read_text())
    assert content["content"]["epochs_done"] == 3
    assert set(content["content"]["files"]) == set(FILES[:2])


def test_a_copy_that_somebody_made_is_no_checkpoint(folder):
    """Neither counted nor opened nor removed: `study status` asks for the newest of each run."""
    before = folder.published(), epochs_found(folder)
    for name in (
        "epoch-0001 (copy)",
        "epoch-",
        "epoch-new",
        "epoch-0009.old",
        "epoch-\u0661\u0662\u0663\u0664",
    ):
        (folder.folder / name).mkdir()
    assert (folder.published(), epochs_found(folder)) == before
    folder.save(TrainingState(9, "run", ()), *trained())
    assert (folder.folder / "epoch-0001 (copy)").is_dir()
    assert folder.published() == 9


def test_a_state_that_is_nested_without_end_is_damaged(folder):
    newest = folder.newest("run")
    assert newest is not None
    (newest[0] / "state.json").write_text('{"content":' * 10**5)
    found = folder.newest("run")
    assert found is not None
    assert found[0] != newest[0]


# Ranks that see a folder differently go on from one checkpoint, or end.


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
            found = CheckpointFolder(views[rank]).newest_for_all("run", rank)
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
    found = CheckpointFolder(tmp_path).newest_for_all("run", 0)
    assert found is not None
    assert found[1].epochs_done == 2
    assert CheckpointFolder(tmp_path).newest_for_all("other", 0) is None
