"""Time and memory for each case, from 30 to 3,000 cases: what grows faster than the cases?

Run: .venv/bin/python platform/benchmarks/growth.py [--cases 30 300 3000]

Every case is a pair of small NIfTI files of its own, so that reading voxels hides nothing. The
memory is what the driver holds more than before, with the set opened, split and planned.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil

from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.batch import epoch_plan
from voxsiam.types import NUM_CLASSES
from voxsiam.volumes.nifti import write_nifti
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.prepare import prepare
from voxsiam_data.prepared.prepared_set import open_prepared
from voxsiam_data.sources.detect import read_source
from voxsiam_data.splits.holdout import split_cases

T = TypeVar("T")
CONFIG = PreparationConfig(grid_dhw=(16, 16, 16))


def write_cases(root: Path, cases: int) -> None:
    """Write small cases with every organ."""
    label = np.arange(20 * 18 * 16, dtype=np.int64).reshape(20, 18, 16) % NUM_CLASSES
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


def main() -> None:
    """Measure each size in a folder of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, nargs="+", default=[30, 300, 3000])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ray_instance(Workspace(folder / "workspace")):
            for cases in options.parse_args().cases:
                measure(folder / str(cases), cases)


if __name__ == "__main__":
    main()
