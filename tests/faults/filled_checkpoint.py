"""A training whose disk is full from its second epoch on; run by test_full_disk.py.

Run: python -m tests.faults.filled_checkpoint FOLDER ROOM
(prints a JSON object; FOLDER/disk is the disk, ROOM bytes are left on it)
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import torch

from tests.faults.small_disk import full
from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.training.checkpoint import CheckpointFolder, CheckpointUnwrittenError
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import Training, fit
from voxsiam.types import Split

SPLIT = Split(train=tuple("abcd"), test=("t",))


def train(folder: Path, on_epoch=lambda _: None) -> list[float]:
    training = Training("run", make_recipe(layers=1, epochs=3), 0, SPLIT, folder)
    objective, _ = fit(training, make_volume, SingleProcess(on_epoch, torch.device("cpu")))
    return [tensor.double().sum().item() for tensor in objective.state_dict().values()]


def checkpoint(folder: Path, room: int) -> dict:
    """The disk is full from the second epoch on; then there is room again."""
    disk, told = folder / "disk", None
    with ExitStack() as filled:

        def fill_after_first(record):
            if record["epoch"] == 1:
                filled.enter_context(full(disk, room))

        try:
            train(disk / "checkpoints", fill_after_first)
        except CheckpointUnwrittenError as error:
            told = str(error)
        left = sorted(path.name for path in (disk / "checkpoints").iterdir())
        found = CheckpointFolder(disk / "checkpoints").newest("run")
    after = train(disk / "checkpoints")
    unbroken = train(folder / "unbroken")
    kept = found and found[1].epochs_done
    return {"told": told, "left": left, "kept": kept, "equal": after == unbroken}


if __name__ == "__main__":
    torch.set_num_threads(1)
    outcome = checkpoint(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(json.dumps(outcome) + "\n")
