"""More volumes than Ray's object store holds, in a Ray of its own.

Run: python -m tests.faults.small_store FOLDER        (prints a JSON object)
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import ray

from tests.conftest import PYTHON_PATH
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.orientation import AxisOrder
from voxsiam.volumes.placement import Placement, whole_box
from voxsiam.volumes.preparation import PREPARATION_VERSION, PreparedVolume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.entries import write_entry
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet, open_prepared
from voxsiam_data.prepared.record import RECORD, PreparedCase, PreparedRecord, data_fingerprint
from voxsiam_data.prepared.stream import StreamedVolumes, open_volumes, share_volumes, volume_bytes

STORE = 80_000_000
CASES, GRID = 130, (64, 64, 64)


def write_set(root: Path) -> PreparedSet:
    """Write a prepared set of noise."""
    config = PreparationConfig(grid_dhw=GRID)
    (root / VOLUMES).mkdir(parents=True)
    order = AxisOrder((2, 1, 0), (False, False, False))
    placement = Placement(order, GRID, (3.0, 2.0, 2.0), whole_box(GRID))
    cases = []
    for number in range(CASES):
        draw = np.random.default_rng(number)
        image = draw.random(GRID, dtype=np.float32).astype(np.float16)
        label = draw.integers(0, 9, GRID, dtype=np.uint8)
        small = np.ones((8, 8, 8), np.uint8)
        every = tuple(range(1, 9))
        volume = PreparedVolume(
            image, label, small, every, PAPER_ORGANS, placement, (3.0, 2.0, 2.0)
        )
        key, name = f"{number:016x}", f"case{number:04}"
        facts = write_entry(root / VOLUMES, key, volume)
        cases.append(
            PreparedCase(
                case_id=name, patient_id=name, source="noise", key=key, **facts.for_record()
            )
        )
    record = PreparedRecord(
        version=PREPARATION_VERSION,
        name="noise",
        kind="phantom",
        fingerprint=data_fingerprint(config, cases),
        config=config,
        cases=tuple(cases),
    )
    (root / RECORD).write_text(record.model_dump_json())
    return open_prepared(root)


def read_all(volumes, prepared: PreparedSet) -> dict[str, float]:
    """Take every case in turn, compare it, and measure the longest wait."""
    names = [case.case_id for case in prepared.cases]
    longest, equal, last = 0.0, 0, time.monotonic()
    told_order = isinstance(volumes, StreamedVolumes)
    taken = volumes.in_order(names) if told_order else map(volumes, names)
    for name, volume in zip(names, taken, strict=True):
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        expected = prepared.load(name)
        same = np.array_equal(volume.image, expected.image)
        equal += same and np.array_equal(volume.label, expected.label)
        last = time.monotonic()
    return {"equal": equal, "longest_wait_s": round(longest, 2)}


def main(folder: Path) -> None:
    """Read the set as a study would, streamed, and shared although it does not fit."""
    prepared = write_set(folder / "prepared")
    ray.init(
        address="local", num_cpus=2, object_store_memory=STORE, include_dashboard=False,
        logging_level=logging.ERROR, log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": PYTHON_PATH}},
    )  # fmt: skip
    opened = open_volumes(prepared)
    streamed = read_all(opened, prepared)
    start = time.monotonic()
    shared = read_all(share_volumes(prepared), prepared)
    outcome = {
        "bytes": volume_bytes(prepared), "store": STORE,
        "is_streamed": isinstance(opened, StreamedVolumes),
        "streamed": streamed, "shared": shared, "shared_s": round(time.monotonic() - start, 1),
    }  # fmt: skip
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
