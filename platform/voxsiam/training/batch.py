"""A rank's part of one global batch, and the plan that says which cases it holds."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from voxsiam.types import Volume

CaseLoader = Callable[[str], Volume]
"""Reads one prepared case by its name."""


@runtime_checkable
class OrderedLoader(Protocol):
    """A loader that knows how to read ahead where it is told the order."""

    def in_order(self, case_ids: Sequence[str]) -> Iterator[Volume]:
        """Return the cases one after the other."""
        ...


@dataclass(frozen=True)
class Batch:
    """The cases of one rank in one step; a rank may hold none.

    Attributes:
        case_ids: This rank's cases, one for each row.
        global_cases: Cases of the whole batch over all ranks.
        images: Intensities as prepared.
        annotated: For each case the classes that its labels can show, background among them;
            None where that is all of them in every case.
    """

    case_ids: tuple[str, ...]
    global_cases: int
    images: Float[Tensor, "b 1 d h w"]
    labels: UInt8[Tensor, "b d h w"]
    annotated: Bool[Tensor, "b k"] | None = None

    def to(self, device: torch.device) -> "Batch":
        """Copy the tensors to a device."""
        return self._with_each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "Batch":
        """Copy the tensors to memory that a GPU can fetch from by itself."""
        return self._with_each(torch.Tensor.pin_memory)

    def _with_each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        annotated = None if self.annotated is None else change(self.annotated)
        images, labels = change(self.images), change(self.labels)
        return replace(self, images=images, labels=labels, annotated=annotated)


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
    plan: Sequence[Sequence[str]],
    load: CaseLoader,
    rank: int,
    world_size: int,
    *,
    pin: bool = False,
) -> Iterator[Batch]:
    """Yield this rank's part of each global batch, reading one batch ahead.

    Args:
        load: Reads a case; an `OrderedLoader` is told the order of all of them.
        pin: Whether to put batches where a GPU can fetch them while it computes.
    """
    parts = [(rank_part(cases, rank, world_size), len(cases)) for cases in plan]
    order = [case_id for part, _ in parts for case_id in part]
    volumes = load.in_order(order) if isinstance(load, OrderedLoader) else map(load, order)

    def read(case_ids: tuple[str, ...], global_cases: int) -> Batch:
        batch = _batch(case_ids, global_cases, list(islice(volumes, len(case_ids))))
        return batch.pinned() if pin else batch

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as reader:
        coming = [reader.submit(read, *part) for part in parts[:1]]
        for i in range(len(parts)):
            batch = coming.pop().result()
            coming = [reader.submit(read, *part) for part in parts[i + 1 : i + 2]]
            yield batch


def _batch(case_ids: tuple[str, ...], global_cases: int, volumes: Sequence[Volume]) -> Batch:
    if not volumes:
        blank = torch.zeros(0, 1, 16, 16, 16)
        # Shapes do not matter: a rank without cases runs the network on a blank (objective.py).
        return Batch((), global_cases, blank, blank[:, 0].byte())
    images = np.empty((len(volumes), 1, *volumes[0].image.shape), np.float32)
    for place, volume in zip(images, volumes, strict=True):
        np.copyto(place[0], volume.image)  # half the time of a cast and a stack
    labels = np.stack([volume.label for volume in volumes])
    return Batch(
        case_ids,
        global_cases,
        torch.from_numpy(images),
        torch.from_numpy(labels),
        annotated_classes(volumes),
    )


def annotated_classes(volumes: Sequence[Volume]) -> Bool[Tensor, "b k"] | None:
    """Tell for each case the classes that its labels can show; None where that is all of them."""
    if all(len(volume.annotated) == len(volume.organs) for volume in volumes):
        return None
    shown = [[True, *(organ in volume.annotated for organ in volume.organs)] for volume in volumes]
    return torch.tensor(shown)


@dataclass(frozen=True)
class Moment:
    """When a batch is seen; together with the level and the case it names a random stream."""

    seed: int
    epoch: int
    step: int
