"""F5: whatever byte of a checkpoint is not what was written, the one before is taken, and told."""

import random
import shutil

import pytest
import torch

from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.training.checkpoint import CheckpointFolder
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import Training, fit
from voxsiam.types import Split

SPLIT = Split(train=tuple("abcd"), test=("t",))
TRIES = 100


def train(folder, notes=None):
    context = SingleProcess(
        lambda _: None, torch.device("cpu"), [].append if notes is None else notes.append
    )
    training = Training("run", make_recipe(layers=1, epochs=3), 0, SPLIT, folder)
    objective, _ = fit(training, make_volume, context)
    return {name: tensor.clone() for name, tensor in objective.state_dict().items()}


def flip_a_bit(content, draw):
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def truncate(content, draw):
    del content[draw.randrange(len(content)) :]


def zero(content, draw):
    start = draw.randrange(len(content))
    content[start : start + 512] = bytes(len(content[start : start + 512]))


def damage(path, number):
    """Damage one file; zeros where zeros were change nothing: then a bit is flipped."""
    draw, content = random.Random(number), bytearray(path.read_bytes())
    before = bytes(content)
    (flip_a_bit, truncate, zero)[number % 3](content, draw)
    if bytes(content) == before:
        flip_a_bit(content, draw)
    path.write_bytes(content)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(folder)


def test_a_hundred_damages_are_all_detected_and_told(trained, tmp_path, measured):
    folder, _ = trained
    detected = 0
    for number in range(TRIES):
        work = tmp_path / "work"
        shutil.copytree(folder, work)
        newest = work / "epoch-0003"
        path = sorted(newest.iterdir())[number // 3 % 3]
        damage(path, number)
        told = []
        found = CheckpointFolder(work, told.append).newest("run")
        assert found is not None
        assert found[1].epochs_done == 2, (number, path.name)
        (text,) = told
        assert "epoch-0003 is damaged" in text
        assert path.name in text
        detected += 1
        shutil.rmtree(work)
    measured(damages=TRIES, detected=detected)


@pytest.mark.parametrize("name", ["weights.safetensors", "optimiser.safetensors", "state.json"])
def test_a_training_goes_on_from_the_one_before_and_ends_as_if_nothing_had_been(
    trained, tmp_path, name
):
    folder, expected = trained
    work, notes = tmp_path / "work", []
    shutil.copytree(folder, work)
    damage(work / "epoch-0003" / name, 0)
    found = train(work, notes)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert len(notes) == 1
    assert "epoch-0003 is damaged" in notes[0]
