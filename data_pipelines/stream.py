"""Prepared volumes as a Ray dataset that is read once and shared by every trial.

The volumes are materialised in the object store; trainings take the rows that their epoch plan
names, in its order, without a copy on the same node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from data_pipelines.prepared_set import PreparedSet, open_prepared
from voxsiam.errors import UserError
from voxsiam.types import NativeReference, Volume


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
        block: dict[str, Any] = ray.get(reference)
        spacing = block["spacing_mm"][row]
        return Volume(
            case_id=case_id,
            image=block["image"][row],
            label=block["label"][row],
            spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        )

    def native(self, case_id: str) -> NativeReference:
        """Read a case's label map on the scan's own grid, from disk: only scoring needs it."""
        return self.prepared.load_native(case_id)


def share_volumes(prepared: PreparedSet) -> SharedVolumes:
    """Read every case of a prepared set once, as a Ray Data job, and keep it in memory.

    Raises:
        UserError: The object store is too small for the set.
    """
    _require_room(prepared)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    rows = [{"root": str(prepared.root), "case_id": case.case_id} for case in prepared.cases]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_read_row)
    references = dataset.materialize().to_numpy_refs()
    blocks = {
        case_id: (reference, row)
        for reference in references
        for row, case_id in enumerate(_case_ids(reference))
    }
    return SharedVolumes(prepared, blocks)


def _case_ids(reference: Any) -> list[str]:  # noqa: ANN401
    block: dict[str, Any] = ray.get(reference)
    return [str(case_id) for case_id in block["case_id"]]


def _read_row(row: dict[str, Any]) -> dict[str, Any]:
    volume = open_prepared(Path(row["root"])).load(row["case_id"])
    return {
        "case_id": volume.case_id,
        "image": volume.image.astype(np.float16),
        "label": np.ascontiguousarray(volume.label),
        "spacing_mm": np.asarray(volume.spacing_mm, dtype=np.float64),
    }


def _require_room(prepared: PreparedSet) -> None:
    needed = volume_bytes(prepared)
    available = ray.available_resources().get("object_store_memory", float("inf"))
    if 2 * needed > available:
        raise UserError(
            f"the volumes need {2 * needed / 2**30:.1f} GiB of shared memory, "
            f"Ray has {available / 2**30:.1f}",
            where=str(prepared.root),
            fix="use a machine with more memory, or prepare on a smaller --grid",
        )


def volume_bytes(prepared: PreparedSet) -> int:
    """Return what the volumes take in memory: two bytes of image and one of label a voxel."""
    return len(prepared.cases) * int(np.prod(prepared.config.grid_dhw)) * 3
