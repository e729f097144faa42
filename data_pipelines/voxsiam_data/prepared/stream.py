"""Prepared volumes on their way to the workers, in the order of the epoch plan.

A set that fits half of the object store is read once, as a Ray dataset, and shared by every trial:
trainings take its rows without a copy on the same node. A larger one is streamed by Ray Data from
the disk, every epoch again. Both give the same batches.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import ray
import ray.data
import ray.exceptions

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.waiting import waited_for
from voxsiam.types import NativeReference, Volume
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays, require_sound

VOLUMES_PER_TASK = 8
"""A task for each volume reads a quarter as many a second."""

TASKS_AT_ONCE = 3


@dataclass(frozen=True)
class SharedVolumes:
    """Reads a case from the object store; it travels to workers by reference.

    Attributes:
        prepared: The set on disk, which must be visible wherever `native` is called.
        blocks: For each case, the block that holds it and its row there. The materialised
            dataset's owner must live as long as they are read.
    """

    prepared: PreparedSet
    blocks: Mapping[str, tuple[Any, int]]

    def __call__(self, case_id: str) -> Volume:
        """Return one case; its arrays are views of shared memory."""
        reference, row = self.blocks[case_id]
        return _volume(self.prepared, ray.get(reference), row)

    def in_order(self, case_ids: Sequence[str]) -> Iterator[Volume]:
        """Return cases one after the other."""
        return map(self, case_ids)

    def native(self, case_id: str) -> NativeReference:
        """Read a case's label map on the scan's own grid, from disk: only scoring needs it."""
        return self.prepared.load_native(case_id)


@dataclass(frozen=True)
class StreamedVolumes:
    """Reads cases from the disk; Ray Data reads ahead of a worker that takes many in order.

    Attributes:
        prepared: The set on disk, which every node must see.
    """

    prepared: PreparedSet

    def __call__(self, case_id: str) -> Volume:
        """Read one case."""
        return self.prepared.load(case_id)

    def in_order(self, case_ids: Sequence[str]) -> Iterator[Volume]:
        """Read cases one after the other, some ahead of the reader."""
        dataset = _read_dataset(self.prepared, case_ids)
        blocks = dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=2)
        with _telling_in_our_words():
            for block in cast("Iterable[dict[str, Any]]", blocks):
                for row in range(len(block["case_id"])):
                    yield _volume(self.prepared, block, row)

    def native(self, case_id: str) -> NativeReference:
        """Read a case's label map on the scan's own grid."""
        return self.prepared.load_native(case_id)


def open_volumes(prepared: PreparedSet) -> SharedVolumes | StreamedVolumes:
    """Share a set that fits half of the object store, and stream a larger one.

    Raises:
        UserError: The object store does not hold the few volumes that a stream reads ahead, or a
            volume is damaged (shared) or gone (streamed, whose checksums are compared when a
            worker first reads them).
    """
    room = ray.available_resources().get("object_store_memory", float("inf"))
    if 2 * volume_bytes(prepared) <= room:
        return share_volumes(prepared)
    _require_room_for_stream(prepared, room)
    for case in prepared.cases:
        # Now, not when a worker has been waiting for its GPU.
        read_arrays(prepared.folder(case), case.case_id)
    return StreamedVolumes(prepared)


def share_volumes(prepared: PreparedSet) -> SharedVolumes:
    """Read every case of a prepared set once, as a Ray Data job, and keep it in memory.

    Raises:
        UserError: A volume is damaged or gone.
    """
    dataset = _read_dataset(prepared, [case.case_id for case in prepared.cases])
    with _telling_in_our_words():
        references = waited_for(
            lambda: dataset.materialize().to_numpy_refs(),
            f"{len(prepared.cases)} volumes to be read from {prepared.root}",
        )
    blocks = {
        case_id: (reference, row)
        for reference in references
        for row, case_id in enumerate(_case_ids(reference))
    }
    return SharedVolumes(prepared, blocks)


@contextmanager
def _telling_in_our_words() -> Iterator[None]:
    """Raise the UserError of a task as itself, without what Ray puts around it."""
    try:
        yield
    except ray.exceptions.RayError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = getattr(cause, "cause", None) or cause.__cause__
        raise cause or error from None


def _case_ids(reference: Any) -> list[str]:  # noqa: ANN401
    block: dict[str, Any] = ray.get(reference)
    return [str(case_id) for case_id in block["case_id"]]


def _read_dataset(prepared: PreparedSet, case_ids: Sequence[str]) -> ray.data.Dataset:
    """Describe a job that reads these cases in this order."""
    cases = [prepared.case(case_id) for case_id in case_ids]
    rows = [{"folder": str(prepared.folder(case)), "case_id": case.case_id} for case in cases]
    blocks = math.ceil(len(rows) / VOLUMES_PER_TASK)
    dataset = ray.data.from_items(rows, override_num_blocks=blocks)
    dataset.context.enable_progress_bars = False
    dataset.context.execution_options.preserve_order = True
    dataset.context.raise_original_map_exception = True
    # Trainings hold every CPU: a task that waited for one would wait for ever.
    return dataset.map_batches(
        _read_rows,  # pyright: ignore[reportArgumentType]
        batch_size=VOLUMES_PER_TASK,
        num_cpus=0,
        concurrency=min(TASKS_AT_ONCE, blocks),
    )


def _read_rows(rows: dict[str, Any]) -> dict[str, Any]:
    folders = [Path(folder) for folder in rows["folder"]]
    for folder, case_id in zip(folders, rows["case_id"], strict=True):
        _require_sound_once(folder, str(case_id))
    pairs = [
        read_arrays(folder, case_id)
        for folder, case_id in zip(folders, rows["case_id"], strict=True)
    ]
    images, labels = zip(*pairs, strict=True)
    return {"case_id": rows["case_id"], "image": np.stack(images), "label": np.stack(labels)}


@cache
def _require_sound_once(folder: Path, case_id: str) -> None:
    """Compare an entry's checksums, the first time that this process reads it."""
    require_sound(folder, case_id)


def _volume(prepared: PreparedSet, block: Mapping[str, Any], row: int) -> Volume:
    case = prepared.case(str(block["case_id"][row]))
    return Volume(
        case_id=case.case_id,
        image=block["image"][row],
        label=block["label"][row],
        spacing_mm=case.spacing_mm,
        annotated=case.annotated,
    )


def _require_room_for_stream(prepared: PreparedSet, room: float) -> None:
    needed = 2 * TASKS_AT_ONCE * VOLUMES_PER_TASK * volume_bytes(prepared) / len(prepared.cases)
    if needed > room:
        raise UserError(
            f"reading ahead needs {needed / 2**30:.1f} GiB of shared memory, "
            f"Ray has {room / 2**30:.1f}",
            where=str(prepared.root),
            fix="use a machine with more memory, or prepare on a smaller --grid",
        )


def volume_bytes(prepared: PreparedSet) -> int:
    """Return what the volumes take in memory: two bytes of image and one of label a voxel."""
    return len(prepared.cases) * math.prod(prepared.config.grid_dhw) * 3
