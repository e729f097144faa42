import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.voxsiam.training.gloo import group, run_ranks
from tests.voxsiam.training.test_distributed import GlooWorker
from tests.voxsiam.training.toy import make_volume, system
from voxsiam.models.network_config import NetworkName
from voxsiam.training.batch import Moment
from voxsiam.training.checkpoint import CheckpointFolder
from voxsiam.training.epoch_record import (
    TrainingDivergedError,
    organ_means,
    require_finite_gradient,
)
from voxsiam.training.loop import Training, fit
from voxsiam.types import PAPER_ORGANS, Split

SPLIT = Split(train=tuple("abcdefgh"), test=("t",))
SYSTEMS: list[tuple[NetworkName, str]] = [
    ("unet3d", "simsiam"),
    ("vnet", "simsiam"),
    ("attention_unet3d", "contrastive"),
]


def literal_means(rows):
    """By loops: cases of an organ, then organs; the first column is background."""
    of_organ = {}
    for place, organ in enumerate(PAPER_ORGANS, start=1):
        known = [row[place] for row in rows if not math.isnan(row[place])]
        if known:
            of_organ[organ] = sum(known) / len(known)
    return sum(of_organ.values()) / len(of_organ), of_organ


@pytest.mark.parametrize("seed", range(3))
def test_every_organ_counts_alike_and_background_not_at_all(seed):
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 1, (5, 1 + len(PAPER_ORGANS)))
    rows[rng.random(rows.shape) < 0.3] = np.nan
    rows[:, 0] = 100.0
    mean, of_organ = literal_means(rows.tolist())
    found = organ_means("validation/dsc", rows.tolist())
    assert found.pop("validation/dsc") == pytest.approx(mean)
    assert found == pytest.approx(
        {f"validation/dsc/{organ}": of_organ[organ] for organ in of_organ}
    )


@pytest.mark.parametrize("place", range(1, 1 + len(PAPER_ORGANS)))
def test_no_organ_is_left_out(place):
    rows = [[0.5] * (1 + len(PAPER_ORGANS))]
    rows[0][place] = 0.0
    assert organ_means("dsc", rows)["dsc"] == pytest.approx(0.5 * 7 / 8)
    assert organ_means("dsc", rows)[f"dsc/{PAPER_ORGANS[place - 1]}"] == 0


def test_organs_that_no_case_has_are_left_out():
    rows = [[math.nan] * (1 + len(PAPER_ORGANS))]
    assert organ_means("dsc", rows) == {"dsc": 0}
    rows[0][3] = 0.4
    assert organ_means("dsc", rows) == {"dsc": 0.4, f"dsc/{PAPER_ORGANS[2]}": 0.4}


# A loss that is no number on one rank ends the training on all, in that step, by name.


def spoiled(value):
    """In the second epoch, case c is not a number."""
    reads = []

    def load(case_id):
        reads.append(case_id)
        volume = make_volume(case_id)
        if case_id == "c" and reads.count("c") == 2:
            return replace(volume, image=volume.image + value)
        return volume

    return load


def train_on_rank(rank, folder):
    with group(rank, 2, folder):
        for number, (network, loss) in enumerate(SYSTEMS):
            recipe = system(network, loss, epochs=3)
            training = Training("run", recipe, 0, SPLIT, Path(folder) / f"checkpoints-{number}")
            context = GlooWorker(rank, 2, lambda _: None)
            try:
                fit(training, spoiled(float("nan")), context)
                message = "finished"
            except TrainingDivergedError as error:
                message = str(error)
            (Path(folder) / f"{number}-{rank}.txt").write_text(message)


def test_all_ranks_stop_in_that_step_with_the_case_and_without_a_checkpoint(tmp_path):
    run_ranks(train_on_rank, 2, str(tmp_path))
    for number in range(len(SYSTEMS)):
        messages = [(tmp_path / f"{number}-{rank}.txt").read_text() for rank in (0, 1)]
        assert messages[0] == messages[1]
        assert "epoch 2" in messages[0]
        assert "look at c (" in messages[0]
        newest = CheckpointFolder(tmp_path / f"checkpoints-{number}").newest("run")
        assert newest is not None
        assert newest[1].epochs_done == 1


@pytest.mark.parametrize("norm", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_is_told_with_its_batch(norm):
    with pytest.raises(
        TrainingDivergedError, match=r"gradient is .* epoch 1, step 3: look at a, b"
    ):
        require_finite_gradient(norm, ("a", "b"), Moment(0, 0, 2))


def test_a_gradient_that_is_a_number_passes():
    require_finite_gradient(torch.tensor(3.0).item(), ("a",), Moment(0, 0, 0))
