"""A rank's part of one global batch, and the plan that says which cases it holds."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from voxsiam.types import Volume

CaseLoader = Callable[[str], Volume]
"""Reads one prepared case by its name."""


@dataclass(frozen=True)
class Batch:
    """The cases of one rank in one step; a rank may hold none.

    Attributes:
        case_ids: This rank's cases, one for each row.
        global_cases: Cases of the whole batch over all ranks.
        images: Intensities as prepared.
        labels: Class of each voxel.
    """

    case_ids: tuple[str, ...]
    global_cases: int
    images: Float[Tensor, "b 1 d h w"]
    labels: UInt8[Tensor, "b d h w"]

    def to(self, device: torch.device) -> "Batch":
        """Copy the tensors to a device."""
        images = self.images.to(device, non_blocking=True)
        labels = self.labels.to(device, non_blocking=True)
        return Batch(self.case_ids, self.global_cases, images, labels)


def epoch_plan(
    case_ids: Sequence[str], *, seed: int, epoch: int, batch_size: int, drop_last: bool = False
) -> list[tuple[str, ...]]:
    """Return the global batches of one epoch: every case once, in an order of (seed, epoch).

    The order does not depend on the order of the input, on ranks or on loaders. The last batch
    may be short; `drop_last` leaves it out then, unless it is the only one.
    """

    def place(case_id: str) -> bytes:
        return hashlib.blake2b(f"{seed}/{epoch}/{case_id}".encode(), digest_size=16).digest()

    order = sorted(case_ids, key=place)
    batches = [tuple(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]
    short = drop_last and len(batches) > 1 and len(batches[-1]) < batch_size
    return batches[:-1] if short else batches


def rank_part(cases: Sequence[str], rank: int, world_size: int) -> tuple[str, ...]:
    """Return the cases of one rank: contiguous, sizes as even as they can be, perhaps none."""
    bounds = [len(cases) * r // world_size for r in (rank, rank + 1)]
    return tuple(cases[bounds[0] : bounds[1]])


def read_batches(
    plan: Sequence[Sequence[str]], load: CaseLoader, rank: int, world_size: int
) -> Iterator[Batch]:
    """Yield this rank's part of each global batch, reading one batch ahead."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as reader:
        parts = [(rank_part(cases, rank, world_size), len(cases)) for cases in plan]
        coming = [reader.submit(_read, part, size, load) for part, size in parts[:1]]
        for i in range(len(parts)):
            batch = coming.pop().result()
            coming = [reader.submit(_read, part, size, load) for part, size in parts[i + 1 : i + 2]]
            yield batch


def _read(case_ids: tuple[str, ...], global_cases: int, load: CaseLoader) -> Batch:
    volumes = [load(case_id) for case_id in case_ids]
    if not volumes:
        blank = torch.zeros(0, 1, 16, 16, 16)
        # Shapes do not matter: a rank without cases runs the network on a blank (objective.py).
        return Batch((), global_cases, blank, blank[:, 0].byte())
    images = np.stack([volume.image.astype(np.float32) for volume in volumes])
    labels = np.stack([volume.label for volume in volumes])
    return Batch(
        case_ids, global_cases, torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels)
    )
