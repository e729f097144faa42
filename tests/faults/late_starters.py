"""Workers that come up and cannot begin, as with a GPU that nccl does not find."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend

from voxsiam.orchestration.trials.worker_group import Workers


class _Backend(_TorchBackend):
    def on_start(self, worker_group, backend_config: Any):
        tried = len(list(backend_config.folder.glob("start-*")))
        (backend_config.folder / f"start-{tried}").touch()
        if tried < backend_config.failures:
            raise RuntimeError("no nccl here")
        super().on_start(worker_group, backend_config)


@dataclass
class _Config(TorchConfig):
    """A backend that fails so often.

    Attributes:
        folder: Remembers how often it was tried.
    """

    folder: Path = Path()
    failures: int = 0

    @property
    def backend_cls(self):
        return _Backend


@dataclass(frozen=True)
class LateWorkers(Workers):
    """Workers whose ranks do not meet before so many failures."""

    folder: Path = Path()
    failures: int = 0

    @property
    def backend(self) -> TorchConfig:
        return _Config(backend="gloo", folder=self.folder, failures=self.failures)
