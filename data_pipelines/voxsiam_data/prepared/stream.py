"""Prepared volumes on their way to the workers, in the order of the epoch plan.

A set that fits half of a node's object store is read once, as a Ray dataset, and shared by every
trial: a volume is a block of its own, which trainings take without a copy on the same node. Of a
larger one every training maps the files, which all nodes see, and threads read ahead of it
(docs/decisions/0003-volumes-by-reference.md). Both give the same batches.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
import ray.exceptions
from ray.data.block import BlockAccessor
from ray.data.dataset import MaterializedDataset

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.cause import refusal_in
from voxsiam.orchestration.cluster.waiting import waited_for
from voxsiam.types import NativeReference, Volume
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays, require_sound
from voxsiam_data.prepared.record import PreparedCase

VOLUMES_PER_TASK = 8
"""A task for each volume reads a quarter as many a second."""

TASKS_PER_NODE = 3

READERS, READ_AHEAD = 2, 8
"""Threads of a training that read from the disk, and volumes that they are ahead of it."""


@dataclass(frozen=True)
class SharedVolumes:
    """Reads a case from the object store; it travels to workers by reference.

    Attributes:
        prepared: The set on disk, which must be visible wherever `native` is called.
        blocks: For each case, the block that holds it. The materialised dataset's owner must live
            as long as they are read.
    """

    prepared: PreparedSet
    blocks: Mapping[str, Any]

    def __call__(self, case_id: str) -> Volume:
        """Return one case; its arrays are views of shared memory."""
        rows = BlockAccessor.for_block(ray.get(self.blocks[case_id])).to_numpy(["image", "label"])
        return self.prepared.volume(case_id, rows["image"][0], rows["label"][0])

    def native(self, case_id: str) -> NativeReference:
        """Read a case's label map on the scan's own grid, from disk: only scoring needs it."""
        return self.prepared.load_native(case_id)


@dataclass(frozen=True)
class StreamedVolumes:
    """Reads cases from a disk that every node sees; threads read ahead of who takes many."""

    prepared: PreparedSet

    def __call__(self, case_id: str) -> Volume:
        """Read one case."""
        return self.prepared.load(case_id)

    def in_order(self, case_ids: Sequence[str]) -> Iterator[Volume]:
        """Read cases one after the other, some ahead of the reader; arrays are views of files."""
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="read-ahead")
        coming = (pool.submit(self._read, case_id) for case_id in case_ids)
        try:
            ahead = deque(islice(coming, READ_AHEAD))
            while ahead:
                volume = ahead.popleft().result()
                ahead.extend(islice(coming, 1))
                yield volume
        finally:
            # Whoever stops early does not wait for reads that nobody wants, or that hang.
            pool.shutdown(wait=False, cancel_futures=True)

    def native(self, case_id: str) -> NativeReference:
        """Read a case's label map on the scan's own grid."""
        return self.prepared.load_native(case_id)

    def _read(self, case_id: str) -> Volume:
        case = self.prepared.case(case_id)
        folder = self.prepared.folder(case)
        image, label = read_arrays(folder, _sound_case(folder, case.model_dump_json()))
        for array in (image, label):
            # Looks at every page of it, and lets other threads run meanwhile; a stride would not.
            array.reshape(-1).view(np.uint8).max()
        return self.prepared.volume(case_id, image, label)


def open_volumes(prepared: PreparedSet) -> SharedVolumes | StreamedVolumes:
    """Share a set that fits half of what is free in every training node's object store.

    A larger one is streamed: checksums are compared when a worker first reads a volume.
    """
    if 2 * volume_bytes(prepared) <= Capacity.of_cluster().free_store:
        return share_volumes(prepared)
    for case in prepared.cases:
        # Now, not when a worker has been waiting for its GPU.
        read_arrays(prepared.folder(case), case)
    return StreamedVolumes(prepared)


def share_volumes(prepared: PreparedSet) -> SharedVolumes:
    """Read every case of a prepared set once, as a Ray Data job, and keep it in memory."""
    dataset = _read_dataset(prepared)
    try:
        references = waited_for(
            lambda: _blocks_of(dataset.materialize()),
            f"{len(prepared.cases)} volumes to be read from {prepared.root}",
        )
    except ray.exceptions.RayError as error:
        # A task's UserError itself, without what Ray puts around it.
        raise refusal_in(error) or error from None
    names = [case.case_id for case in prepared.cases]
    return SharedVolumes(prepared, dict(zip(names, references, strict=True)))


def _blocks_of(dataset: MaterializedDataset) -> list[Any]:
    bundles = dataset.iter_internal_ref_bundles()
    return [reference for bundle in bundles for reference in bundle.block_refs]


def _read_dataset(prepared: PreparedSet) -> ray.data.Dataset:
    """Describe a job that reads the cases in their order, each into a block of its own."""
    rows = [
        {"folder": str(prepared.folder(case)), "case": case.model_dump_json()}
        for case in prepared.cases
    ]
    capacity = Capacity.of_cluster()
    tasks = math.ceil(len(rows) / VOLUMES_PER_TASK)
    dataset = ray.data.from_items(rows, override_num_blocks=tasks)
    dataset.context.enable_progress_bars = False
    dataset.context.execution_options.preserve_order = True
    dataset.context.raise_original_map_exception = True
    # A volume is larger than that: each becomes a block, and none moves because of its neighbours.
    dataset.context.target_max_block_size = 1
    # Trainings hold every CPU: a task that waited for one would wait for ever.
    return dataset.map_batches(
        _read_row,  # pyright: ignore[reportArgumentType]
        batch_size=1,
        num_cpus=0,
        concurrency=min(TASKS_PER_NODE * capacity.training_nodes, tasks),
        label_selector=capacity.where_trained() or None,
    )


def _read_row(row: dict[str, Any]) -> dict[str, Any]:
    folder = Path(row["folder"][0])
    image, label = read_arrays(folder, _sound_case(folder, str(row["case"][0])))
    return {"image": image[None], "label": label[None]}


@cache
def _sound_case(folder: Path, described: str) -> PreparedCase:
    """Compare an entry with its checksums and its case, when this process first reads it."""
    case = PreparedCase.model_validate_json(described)
    require_sound(folder, case)
    return case


def volume_bytes(prepared: PreparedSet) -> int:
    """Return what the volumes take in memory: two bytes of image and one of label a voxel."""
    return len(prepared.cases) * math.prod(prepared.config.grid_dhw) * 3
