"""What a run was computed with: versions, processor, threads and device."""

import importlib.metadata
import platform
from typing import Any

import torch

from voxsiam.types import Frozen

LIBRARIES = ("torch", "ray", "mlflow", "optuna", "numpy", "nibabel", "scipy")


class Environment(Frozen):
    """Everything beside the plan that could change a run's figures.

    Attributes:
        system: Operating system and machine type.
        libraries: Versions by name.
        cpu_capability: The vector instructions that PyTorch uses.
        threads: Of one worker.
        device: Name of the GPU, or `cpu`.
    """

    python: str
    system: str
    libraries: dict[str, str]
    cpu_capability: str
    threads: int
    device: str

    def differences(self, other: "Environment") -> list[str]:
        """Say what is otherwise in another environment, one line each."""
        ours, theirs = self._named(), other._named()
        return [
            f"{name}: {theirs.get(name, 'absent')}, was {ours.get(name, 'absent')}"
            for name in dict.fromkeys((*ours, *theirs))
            if ours.get(name) != theirs.get(name)
        ]

    def _named(self) -> dict[str, Any]:
        return self.model_dump(exclude={"libraries"}) | self.libraries


def this_environment(device: torch.device) -> Environment:
    """Describe this process."""
    return Environment(
        python=platform.python_version(),
        system=platform.platform(),
        libraries=library_versions(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def library_versions() -> dict[str, str]:
    """Look up the versions of what figures depend on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
