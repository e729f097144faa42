"""Time and memory for each case, from 30 to 3,000 cases: what grows faster than the cases?

Run: .venv/bin/python platform/benchmarks/growth.py [--cases 30 300 3000] [--volumes 400 4000]

Every case is a pair of small NIfTI files of its own, so that reading voxels hides nothing. The
memory is what the driver holds more than before, with the set opened, split and planned.

With --volumes, prepared volumes of 128x128x64 instead, which eight trainings on one node read at
the same time, 400 each, twice: from the disk, and from the object store where that has the room.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from itertools import count as count_from
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import ray
from ray._private.internal_api import get_memory_info_reply, get_state_from_address
from stream import Volumes, plan_of, write_set

from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.batch import epoch_plan, read_batches
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.nifti import write_nifti
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.prepare import prepare
from voxsiam_data.prepared.prepared_set import open_prepared
from voxsiam_data.prepared.stream import StreamedVolumes, share_volumes, volume_bytes
from voxsiam_data.sources.detect import read_source
from voxsiam_data.splits.holdout import split_cases

T = TypeVar("T")
CONFIG = PreparationConfig(grid_dhw=(16, 16, 16))
READERS, READ_EACH = 8, 400


def write_cases(root: Path, cases: int) -> None:
    """Write small cases with every organ."""
    label = np.arange(20 * 18 * 16, dtype=np.int64).reshape(20, 18, 16) % (len(PAPER_ORGANS) + 1)
    for number in range(cases):
        rng = np.random.default_rng(number)
        image = rng.integers(-200, 250, label.shape).astype(np.int16)
        folder = root / f"case{number:05}"
        folder.mkdir(parents=True)
        write_nifti(folder / "image.nii.gz", image, np.eye(4))
        write_nifti(folder / "label.nii.gz", label.astype(np.uint8), np.eye(4))


def timed(title: str, cases: int, work: Callable[[], T]) -> T:
    """Print what a step takes for each case."""
    start = time.perf_counter()
    result = work()
    print(f"  {title}: {1e3 * (time.perf_counter() - start) / cases:.3f} ms a case")
    return result


def measure(folder: Path, cases: int) -> None:
    """Take a data set of so many cases the whole way to the plan of an epoch."""
    source, output = folder / "source", folder / "prepared"
    write_cases(source, cases)
    print(f"{cases} cases")
    manifest = timed("find the cases", cases, lambda: read_source(source))
    timed("prepare", cases, lambda: prepare(manifest, output, CONFIG))
    timed("prepare again", cases, lambda: prepare(manifest, output, CONFIG))
    gc.collect()
    before = psutil.Process().memory_info().rss
    prepared = timed("open", cases, lambda: open_prepared(output))
    split = timed(
        "split",
        cases,
        lambda: split_cases(prepared.cases, test_fraction=2 / 9, validation_fraction=0.1, seed=0),
    )
    timed("plan an epoch", cases, lambda: epoch_plan(split.train, seed=0, epoch=0, batch_size=4))
    timed("look up and load", cases, lambda: [prepared.load(c.case_id) for c in prepared.cases])
    held = psutil.Process().memory_info().rss - before
    print(f"  memory: {held / cases / 1024:.1f} KiB a case")


class Reader:
    """A training that does nothing with what it reads."""

    def read(self, volumes: Volumes, epoch: int) -> int:
        """Read the beginning of an epoch; return the volumes that came."""
        batches = plan_of(volumes.prepared, epoch)
        read = read_batches(batches[: READ_EACH // len(batches[0])], volumes, 0, 1)
        return sum(len(batch.images) for batch in read)


def stored_bytes() -> tuple[int, int]:
    """Return what the object store has put on the disk, and taken from there again."""
    told = get_memory_info_reply(get_state_from_address()).store_stats
    return told.spilled_bytes_total, told.restored_bytes_total


def measure_readers(folder: Path, count: int) -> None:
    """Let all readers read a set of so many volumes at the same time."""
    prepared = write_set(folder, count)
    sources: dict[str, Volumes] = {"streamed": StreamedVolumes(prepared)}
    if 2 * volume_bytes(prepared) <= ray.cluster_resources()["object_store_memory"]:
        sources["shared"] = timed("share", count, lambda: share_volumes(prepared))
    actor: Any = ray.remote(num_cpus=0)(Reader)
    readers = [actor.remote() for _ in range(READERS)]
    # At the first time the streamed compare checksums.
    for (name, volumes), time_of in product(sources.items(), ("first", "second")):
        before, start = stored_bytes(), time.perf_counter()
        # Each has an order of its own, as the trials of a study with several seeds have.
        epochs = count_from(READERS * (time_of == "second"))
        read = ray.get([reader.read.remote(volumes, next(epochs)) for reader in readers])
        seconds, spilled = time.perf_counter() - start, stored_bytes()
        moved = [1e-9 * (b - a) for a, b in zip(before, spilled, strict=True)]
        print(
            f"{count} volumes, {READERS} readers, {name}, {time_of} time: "
            f"{sum(read) / seconds:.0f} volumes/s, "
            f"spilled {moved[0]:.2f} GB, restored {moved[1]:.2f} GB, {_processes()} processes"
        )


def _processes() -> int:
    running = psutil.process_iter(["name"])
    return sum("ray::" in (each.info["name"] or "") for each in running)


def main() -> None:
    """Measure each size in a folder of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, nargs="+", default=[30, 300, 3000])
    options.add_argument("--volumes", type=int, nargs="+", default=[])
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ray_instance(Workspace(folder / "workspace")):
            for cases in asked.cases if not asked.volumes else ():
                measure(folder / str(cases), cases)
            for count in asked.volumes:
                measure_readers(folder / f"{count} volumes", count)


if __name__ == "__main__":
    main()
