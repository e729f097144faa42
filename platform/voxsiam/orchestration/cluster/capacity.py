"""The room of a cluster: how many trials can run side by side, node by node."""

from dataclasses import dataclass
from typing import Any

import ray

from voxsiam.errors import UserError

DRIVER: dict[str, float] = {"memory": 256 * 2**20}
"""What Tune's driver of a trial holds: no CPU, so that it cannot starve its own workers."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Attributes:
        node_id: Ray's name of it.
        name: Its host name and address, for people.
    """

    node_id: str
    name: str
    cpus: float
    gpus: float

    def places(self, gpus_per_worker: float) -> int:
        """Count the workers, of one CPU and a part of a GPU each, that fit on it."""
        if not gpus_per_worker:
            return int(self.cpus)
        # A GPU is shared by whole numbers of workers: two thirds of one and of another are none.
        on_gpus = int(self.gpus) * int(1 / gpus_per_worker + 1e-6)
        return min(int(self.cpus), on_gpus)


@dataclass(frozen=True)
class Capacity:
    """What the cluster can run at a time."""

    nodes: tuple[Node, ...]

    @classmethod
    def of_cluster(cls) -> "Capacity":
        """Ask the Ray instance that this process has joined."""
        return cls(tuple(_node(each) for each in ray.nodes() if each["Alive"]))

    @property
    def cpus(self) -> int:
        """Of all nodes."""
        return int(sum(node.cpus for node in self.nodes))

    @property
    def gpus(self) -> int:
        """Of all nodes."""
        return int(sum(node.gpus for node in self.nodes))

    @property
    def largest(self) -> int:
        """CPUs of the largest node."""
        return max((int(node.cpus) for node in self.nodes), default=0)

    def trials_at_once(self, workers: int, gpu_share: float = 1.0) -> int:
        """Count the trials of so many workers that fit side by side.

        The workers of one trial may lie on several nodes; a worker lies on one.

        Args:
            workers: Of a trial.
            gpu_share: Part of a GPU that each holds, where there are GPUs.

        Raises:
            UserError: Not even one fits; Ray would wait for ever.
        """
        each = gpu_share if self.gpus else 0.0
        slots = sum(node.places(each) for node in self.nodes) // workers
        if slots < 1:
            holds = f"a CPU and {each:g} GPU" if each else "a CPU"
            raise UserError(
                f"a trial of {workers} workers, each with {holds}, does not fit anywhere: Ray "
                "would wait for ever",
                where=", ".join(map(_told, self.nodes)),
                fix="ask for fewer --workers, or add nodes",
            )
        return slots

    def threads(self, slots: int) -> int:
        """Return the most CPUs that each of so many one-process trials can have on its node."""
        enough = (t for t in range(self.largest, 1, -1) if self._trials_of(t) >= slots)
        return next(enough, 1)

    def _trials_of(self, threads: int) -> int:
        return sum(int(node.cpus) // threads for node in self.nodes)


def _node(of_ray: dict[str, Any]) -> Node:
    resources = of_ray["Resources"]
    name = f"{of_ray['NodeManagerHostname']} ({of_ray['NodeManagerAddress']})"
    cpus, gpus = (float(resources.get(kind, 0)) for kind in ("CPU", "GPU"))
    return Node(of_ray["NodeID"], name, cpus, gpus)


def _told(node: Node) -> str:
    gpus = f" and {node.gpus:g} GPUs" if node.gpus else ""
    return f"{node.name} has {node.cpus:g} CPUs{gpus}"


def worker_resources(gpu_share: float) -> dict[str, float]:
    """Return what one worker holds: a CPU, and a GPU or a part of one where it trains on it."""
    return {"GPU": gpu_share, "CPU": 1.0} if gpu_share else {"CPU": 1.0}
