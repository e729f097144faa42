"""The room of a cluster: how many trials can run side by side, node by node."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private.state import available_resources_per_node

from voxsiam.errors import UserError

DRIVER: dict[str, float] = {"memory": 1.0 * 2**30}
"""What the process of a trial with workers and Ray Train's controller, beside it, hold together
(docs/benchmarks.md); no CPU, so that they cannot starve their own workers."""

MANY = 10**6
EPSILON = 1e-6
"""Parts of a GPU do not add up to whole ones to the last digit."""

NODE_ID = "ray.io/node-id"
"""The label that Ray gives every node."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Attributes:
        node_id: Ray's name of it.
        name: Its host name and address, for people.
        memory: Bytes that Ray gives away there.
        store: Bytes that are free in its object store.
    """

    node_id: str
    name: str
    cpus: float
    gpus: float
    memory: float = math.inf
    store: float = math.inf

    @property
    def trains(self) -> bool:
        """Tell whether it has anything that a training needs; a head often has not."""
        return bool(self.cpus or self.gpus)

    def places(self, gpus_per_worker: float) -> int:
        """Count the workers, of one CPU and a part of a GPU each, that fit on it."""
        if not gpus_per_worker:
            return int(self.cpus)
        # A GPU is shared by whole numbers of workers: two thirds of one and of another are none.
        whole, part = divmod(self.gpus, 1.0)
        on_gpus = whole * int(1 / gpus_per_worker + EPSILON) + int(part / gpus_per_worker + EPSILON)
        return min(int(self.cpus), int(on_gpus))

    def could_hold(self, bundle: Mapping[str, float]) -> bool:
        """Tell whether a place of so much fits on it while nothing else runs there."""
        has = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return all(bundle.get(kind, 0.0) <= amount + EPSILON for kind, amount in has.items())


@dataclass(frozen=True)
class Capacity:
    """What the cluster can run at a time."""

    nodes: tuple[Node, ...]

    @classmethod
    def of_cluster(cls) -> "Capacity":
        """Ask the Ray instance that this process has joined."""
        return cls(tuple(_node(node, node["Resources"], free or {}) for node, free in _alive()))

    @classmethod
    def free(cls) -> "Capacity":
        """Ask for what nobody holds now."""
        return cls(tuple(_node(node, free, free) for node, free in _alive() if free is not None))

    @property
    def cpus(self) -> int:
        """Of all nodes."""
        return int(sum(node.cpus for node in self.nodes))

    @property
    def gpus(self) -> int:
        """Of all nodes."""
        return int(sum(node.gpus for node in self.nodes))

    def could_hold(self, bundles: Sequence[Mapping[str, float]]) -> bool:
        """Tell whether places of so much could be had while nothing else runs."""
        room = {"CPU": self.cpus, "GPU": self.gpus}
        asked = {kind: sum(bundle.get(kind, 0.0) for bundle in bundles) for kind in room}
        return all(asked[kind] <= room[kind] + EPSILON for kind in room) and all(
            any(node.could_hold(bundle) for node in self.nodes) for bundle in bundles
        )

    @property
    def largest(self) -> int:
        """CPUs of the largest node."""
        return max((int(node.cpus) for node in self.nodes), default=0)

    @property
    def training_nodes(self) -> int:
        """Nodes that have something to train on."""
        return sum(node.trains for node in self.nodes)

    @property
    def free_store(self) -> float:
        """Bytes that are free in the fullest object store of a node that trains."""
        return min((node.store for node in self.nodes if node.trains), default=math.inf)

    def trials_at_once(self, workers: int, gpu_share: float = 1.0) -> int:
        """Count the trials of so many workers that fit side by side.

        The workers of one trial may lie on several nodes; a worker lies on one, and holds a part
        of a GPU where there are GPUs.

        Raises:
            UserError: Not even one fits; Ray would wait for ever.
        """
        each = gpu_share if self.gpus else 0.0
        slots = self._places(workers, each)
        if slots and not self.trains_in_process(workers):
            slots = self.trials_on_workers(workers, each)
            if not slots:
                raise UserError(
                    f"the process of a trial holds {in_gib(DRIVER['memory'])}, which is free on no "
                    "node that trains",
                    where=", ".join(f"{n.name}: {in_gib(n.memory)}" for n in self.nodes),
                    fix="give Ray more --memory there, or use larger nodes",
                )
        if slots < 1:
            holds = f"a CPU and {each:g} GPU" if each else "a CPU"
            raise UserError(
                f"a trial of {workers} workers, each with {holds}, does not fit anywhere: Ray "
                "would wait for ever",
                where=", ".join(map(_told, self.nodes)),
                fix="ask for fewer --workers, or add nodes",
            )
        return slots

    def trains_in_process(self, workers: int) -> bool:
        """Tell whether a trial trains in its own process: nothing is started for it then."""
        return workers == 1 and not self.gpus

    def where_trained(self) -> dict[str, str]:
        """Return Ray's selector of the nodes that train, for the process of a trial.

        It holds no CPU, and Ray would put it on a head that has none to give, too.
        """
        idle = [node.node_id for node in self.nodes if not node.trains]
        return {NODE_ID: f"!in({','.join(idle)})"} if idle else {}

    def trials_on_workers(self, workers: int, gpus_per_worker: float) -> int:
        """Count the trials of so many workers that fit, each with a process of its own beside."""
        memory = [node.memory for node in self.nodes if node.trains]
        drivers = sum(int(min(free / DRIVER["memory"], MANY)) for free in memory)
        return min(self._places(workers, gpus_per_worker), drivers)

    def trials_in_process(self, threads: int) -> int:
        """Count the trials of so many CPUs that fit, each on one node."""
        return sum(int(node.cpus) // threads for node in self.nodes)

    def _places(self, workers: int, gpus_per_worker: float) -> int:
        return sum(node.places(gpus_per_worker) for node in self.nodes) // workers

    def threads(self, slots: int) -> int:
        """Return the most CPUs that each of so many one-process trials can have on its node."""
        enough = (t for t in range(self.largest, 1, -1) if self.trials_in_process(t) >= slots)
        return next(enough, 1)


def memory_limit() -> int:
    """Return the bytes that processes may hold here: the container's limit, or the machine's."""
    limits = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
    return min(limits)


def _alive() -> list[tuple[dict[str, Any], dict[str, float] | None]]:
    """Return Ray's words about each node that lives, with what is free there if that is known."""
    free = available_resources_per_node()
    return [(each, free.get(each["NodeID"])) for each in ray.nodes() if each["Alive"]]


def _node(of_ray: Mapping[str, Any], has: Mapping[str, float], free: Mapping[str, float]) -> Node:
    name = f"{of_ray['NodeManagerHostname']} ({of_ray['NodeManagerAddress']})"
    cpus, gpus, memory = (float(has.get(kind, 0)) for kind in ("CPU", "GPU", "memory"))
    store = float(free.get("object_store_memory", 0))
    return Node(of_ray["NodeID"], name, cpus, gpus, memory, store)


def in_gib(memory: float) -> str:
    """Write bytes of memory as people read them."""
    return f"{memory / 2**30:.2g} GiB of memory"


def _told(node: Node) -> str:
    gpus = f" and {node.gpus:g} GPUs" if node.gpus else ""
    return f"{node.name} has {node.cpus:g} CPUs{gpus}"


def worker_resources(gpu_share: float) -> dict[str, float]:
    """Return what one worker holds: a CPU, and a GPU or a part of one where it trains on it."""
    return {"GPU": gpu_share, "CPU": 1.0} if gpu_share else {"CPU": 1.0}
