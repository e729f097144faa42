"""The seam between the training loop and what runs it: one process, or workers of a cluster."""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import nn

Record = Mapping[str, float]
"""The figures of one epoch by name."""

log = logging.getLogger(__name__)


class TrainingEndedError(RuntimeError):
    """A training cannot go on; all ranks raise it at once, and another attempt would end alike."""


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

    def report(self, record: Record, /) -> None:
        """Hand on the figures of an epoch; every rank calls it, the first one's count."""
        ...

    def begin_step(self, epoch: int, step: int, /) -> None:
        """Hear where this rank stands, counted from 0."""
        ...

    def note(self, text: str, /) -> None:
        """Tell people of something that went wrong and was survived; the first rank's count."""
        ...


class SingleProcess:
    """Training in this process alone.

    Args:
        device: Where to compute; the first GPU where there is one.
        on_step: Receives epoch and step, from 0, whenever a step begins.
    """

    rank = 0
    world_size = 1

    def __init__(
        self,
        on_epoch: Callable[[Record], None],
        device: torch.device | None = None,
        on_note: Callable[[str], None] = log.warning,
        on_step: Callable[[int, int], None] = lambda _epoch, _step: None,
    ) -> None:
        self.report, self.note, self.begin_step = on_epoch, on_note, on_step
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def distribute(self, module: nn.Module) -> nn.Module:
        """Move the module to the device."""
        return module.to(self.device)
