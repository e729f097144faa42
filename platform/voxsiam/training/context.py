"""The seam between the training loop and what runs it: one process, or workers of a cluster."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import nn

Record = Mapping[str, float]
"""The figures of one epoch by name."""

ReportRecord = Callable[[Record], None]


@runtime_checkable
class TrainContext(Protocol):
    """What the loop needs to know of its surroundings; sums over ranks are in `collective`."""

    @property
    def rank(self) -> int:
        """This process's number, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """Number of processes."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        ...

    def distribute(self, module: nn.Module) -> nn.Module:
        """Move a module to the device and, with several ranks, wrap it for DDP."""
        ...

    def report(self, record: Record) -> None:
        """Hand on the figures of an epoch; every rank calls it, the first one's count."""
        ...


class SingleProcess:
    """Training in this process alone.

    Args:
        on_epoch: Receives each epoch's record.
        device: Where to compute; the first GPU where there is one.
    """

    rank = 0
    world_size = 1

    def __init__(self, on_epoch: ReportRecord, device: torch.device | None = None) -> None:
        self._on_epoch = on_epoch
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def distribute(self, module: nn.Module) -> nn.Module:
        """Move the module to the device."""
        return module.to(self.device)

    def report(self, record: Record) -> None:
        """Hand the record to the caller."""
        self._on_epoch(record)
