"""What one node answers when it is asked: what it sees of the workspace, and what it runs."""

import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from voxsiam.durable_files import sha256_of
from voxsiam.training.recipe import METHOD_VERSION


@dataclass(frozen=True)
class Versions:
    """Versions that figures depend on.

    Attributes:
        torch: Release and build, such as 2.13.0+cu130.
        method: Of our own arithmetic.
        for_gpus: Whether this build of torch can use GPUs at all.
    """

    python: str
    torch: str
    method: int
    for_gpus: bool

    @classmethod
    def here(cls) -> "Versions":
        """Return those of this process."""
        for_gpus = bool(torch.version.cuda or torch.version.hip)
        return cls(platform.python_version(), torch.__version__, METHOD_VERSION, for_gpus)

    @property
    def release(self) -> str:
        """The versions without torch's build: a head may have one for CPUs only."""
        release = self.torch.partition("+")[0]
        return f"Python {self.python}, torch {release}, method {self.method}"


@dataclass(frozen=True)
class NodeView:
    """What one node sees.

    Attributes:
        checksum: SHA-256 of the file that was asked for; None where it is not there.
        at: Its clock, in seconds since 1970.
    """

    checksum: str | None
    versions: Versions
    at: float

    @classmethod
    def of(cls, file: Path) -> "NodeView":
        """Look, on this node."""
        checksum = sha256_of(file) if file.is_file() else None
        return cls(checksum, Versions.here(), time.time())
