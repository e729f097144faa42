"""A training is killed at the file operations of its third epoch, and goes on.

Run: python -m tests.faults.cut_saves FOLDER STRIDE      (prints a JSON line for each kill)
"""

import json
import resource
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import torch

from tests.faults.killed_calls import forked, kill_at
from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.training.checkpoint import CheckpointFolder
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import Training, fit
from voxsiam.types import Split

EPOCHS = 3
SPLIT = Split(train=tuple("abcd"), test=("t",))


class StoppedError(Exception):
    """The base is a training that was stopped after its second epoch."""


def train(folder: Path, last: int = EPOCHS) -> list[float]:
    """Train on from what is there; return the weights' sums of bits."""

    def on_epoch(record):
        if record["epoch"] == last < EPOCHS:
            raise StoppedError

    context = SingleProcess(on_epoch, torch.device("cpu"))
    training = Training("run", make_recipe(layers=1, epochs=EPOCHS), 0, SPLIT, folder)
    objective, records = fit(training, make_volume, context)
    weights = [tensor.double().sum().item() for tensor in objective.state_dict().values()]
    return [*weights, *(record["train/loss"] for record in records)]


def cut(base: Path, work: Path, arm) -> dict:
    """Kill a training that goes on from the base, and see what it has left."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(base, work)

    def job():
        arm()
        train(work)

    code = forked(job)
    told: list[str] = []
    found = CheckpointFolder(work, told.append).newest("run")
    assert found is not None
    result = train(work)
    left = sorted(path.name for path in work.iterdir())
    return {"code": code, "newest": found[1].epochs_done, "told": told, "left": left,
            "result": result}  # fmt: skip


def limit_file_size(size: int) -> None:
    """Let the kernel kill this process in the middle of a write, at so many bytes of a file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(folder: Path, stride: int) -> None:
    """Kill at every `stride`-th operation until one training comes through."""
    torch.set_num_threads(1)
    base, work = folder / "base", folder / "work"
    unbroken = train(folder / "unbroken")
    with suppress(StoppedError):
        train(base, last=2)
    number, code = 1, -1
    while code != 0:
        outcome = cut(base, work, lambda number=number: kill_at(number))
        code = outcome["code"]
        show(f"operation {number}", outcome, unbroken)
        number += stride
    files = sorted((folder / "unbroken" / "epoch-0003").iterdir())
    for size in sorted({path.stat().st_size // 2 for path in files}):
        show(f"byte {size}", cut(base, work, lambda size=size: limit_file_size(size)), unbroken)


def show(where: str, outcome: dict, unbroken: list[float]) -> None:
    """Print one kill."""
    equal = outcome.pop("result") == unbroken
    sys.stdout.write(json.dumps({"where": where, "equal": equal} | outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
