"""Prepared volumes into a training worker, against PyTorch's loader with two workers.

Run: .venv/bin/python platform/benchmarks/stream.py [--cases 48] [--rounds 3]

Volumes of 128x128x64 as they lie in a prepared set (float16 and uint8), batches of 4 of float32 and
uint8 tensors in the same order. Ours run inside a Ray Train worker: `shared` takes them from the
object store, `streamed` reads ahead from the disk. The files are in the page cache.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pairs import show
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from torch.utils.data import DataLoader, Dataset

from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.batch import epoch_plan, read_batches
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.orientation import AxisOrder
from voxsiam.volumes.placement import Placement, whole_box
from voxsiam.volumes.preparation import PREPARATION_VERSION, PreparedVolume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.entries import write_entry
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet, open_prepared, read_arrays
from voxsiam_data.prepared.record import RECORD, PreparedCase, PreparedRecord, data_fingerprint
from voxsiam_data.prepared.stream import SharedVolumes, StreamedVolumes, share_volumes

EPOCHS = 6
BATCH, LOADER_PROCESSES = 4, 2

Volumes = SharedVolumes | StreamedVolumes


def write_set(root: Path, cases: int) -> PreparedSet:
    """Write a prepared set of noise: what the bytes say does not matter here."""
    config = PreparationConfig()
    (root / VOLUMES).mkdir(parents=True)
    grid = config.grid_dhw
    order = AxisOrder((2, 1, 0), (False, False, False))
    placement = Placement(order, grid, (3.0, 2.0, 2.0), whole_box(grid))
    described: list[PreparedCase] = []
    for number in range(cases):
        rng = np.random.default_rng(number)
        image = rng.random(grid, dtype=np.float32).astype(np.float16)
        label = rng.integers(0, 9, grid, dtype=np.uint8)
        small = np.ones((8, 8, 8), np.uint8)
        volume = PreparedVolume(
            image, label, small, tuple(range(1, 9)), PAPER_ORGANS, placement, (3.0, 2.0, 2.0)
        )
        facts = write_entry(root / VOLUMES, f"{number:016x}", volume)
        described.append(
            PreparedCase(
                case_id=f"case{number:04}",
                patient_id=f"case{number:04}",
                source="noise",
                key=f"{number:016x}",
                **facts.for_record(),
            )
        )
    record = PreparedRecord(
        version=PREPARATION_VERSION,
        name="noise",
        kind="phantom",
        fingerprint=data_fingerprint(config, described),
        config=config,
        cases=tuple(described),
    )
    (root / RECORD).write_text(record.model_dump_json())
    return open_prepared(root)


class Files(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """What a user writes by hand: one `.npy` pair a case."""

    def __init__(self, prepared: PreparedSet, case_ids: list[str]) -> None:
        cases = map(prepared.case, case_ids)
        self._cases = [(prepared.folder(case), case) for case in cases]

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, label = read_arrays(*self._cases[index])
        return torch.from_numpy(image.astype(np.float32))[None], torch.from_numpy(np.array(label))


def plan_of(prepared: PreparedSet, epoch: int) -> list[tuple[str, ...]]:
    """Order the cases of an epoch, as a training does."""
    names = [case.case_id for case in prepared.cases]
    return epoch_plan(names, seed=0, epoch=epoch, batch_size=BATCH)


def loader_epoch(prepared: PreparedSet, epoch: int) -> Iterator[torch.Tensor]:
    """Read an epoch by PyTorch's loader."""
    order = [name for cases in plan_of(prepared, epoch) for name in cases]
    loader = DataLoader(Files(prepared, order), batch_size=BATCH, num_workers=LOADER_PROCESSES)
    for images, _ in loader:
        yield images


def our_epoch(volumes: Volumes, epoch: int) -> Iterator[torch.Tensor]:
    """Read an epoch as a training does."""
    for batch in read_batches(plan_of(volumes.prepared, epoch), volumes, 0, 1):
        yield batch.images


def measure(epochs: Callable[[int], Iterator[torch.Tensor]], cases: int) -> dict[str, float]:
    """Return volumes a second, the median of later epochs, and the time to their first batch."""
    rates, firsts = [], []
    for epoch in range(EPOCHS):
        start = time.perf_counter()
        first, seen = None, 0
        for images in epochs(epoch):
            first = first if first is not None else time.perf_counter() - start
            seen += len(images)
            _ = float(images[0, 0, 0, 0, 0])
        if seen != cases:
            raise RuntimeError(f"{seen} of {cases} cases arrived")
        if epoch:
            rates.append(seen / (time.perf_counter() - start))
            firsts.append(first or 0.0)
    return {"rate": statistics.median(rates), "first": statistics.median(firsts)}


def in_worker(config: dict[str, Any]) -> None:
    """Measure all three in one Ray Train worker, in turn, so that they meet the same machine."""
    volumes: dict[str, Volumes] = config["volumes"]
    prepared = volumes["shared"].prepared
    sources: dict[str, Callable[[int], Iterator[torch.Tensor]]] = {
        "loader": partial(loader_epoch, prepared),
        **{name: partial(our_epoch, each) for name, each in volumes.items()},
    }
    rounds = [
        {name: measure(source, len(prepared.cases)) for name, source in sources.items()}
        for _ in range(config["rounds"])
    ]
    Path(config["results"]).write_text(json.dumps(rounds))


def main() -> None:
    """Write a set, read it three ways, print rates and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=48)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        prepared = write_set(Path(folder) / "set", asked.cases)
        with ray_instance(Workspace(Path(folder) / "workspace")):
            volumes = {"shared": share_volumes(prepared), "streamed": StreamedVolumes(prepared)}
            TorchTrainer(
                in_worker,
                train_loop_config={
                    "volumes": volumes,
                    "results": str(results),
                    "rounds": asked.rounds,
                },
                scaling_config=ScalingConfig(num_workers=1),
                run_config=RunConfig(name="stream", storage_path=folder),
            ).fit()
        report(json.loads(results.read_text()))


def report(rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print the rates, and the ratios of rounds in turn."""
    for name in rounds[0]:
        rates = sorted(each[name]["rate"] for each in rounds)
        first = max(each[name]["first"] for each in rounds)
        print(
            f"{name}: {statistics.median(rates):.0f} volumes/s "
            f"({rates[0]:.0f} to {rates[-1]:.0f}), "
            f"first batch of a later epoch within {first:.3f} s"
        )
    for name in ("shared", "streamed"):
        show(name, [(1 / each["loader"]["rate"], 1 / each[name]["rate"]) for each in rounds])


if __name__ == "__main__":
    main()
