"""Further nodes of the test session's Ray: real raylets on this machine, joined and killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray
from ray.util.placement_group import placement_group, remove_placement_group

from voxsiam.orchestration.cluster.ray_access import OUTSIDE

NODE = """
import json, sys
from ray._private.node import Node
from ray._private.parameter import RayParams
node = Node(RayParams(**json.loads(sys.argv[1])), head=False, shutdown_at_exit=True)
sys.stdin.read()
"""
"""What `ray start --address` does; that refuses a Ray that listens on loopback alone."""


@dataclass(frozen=True)
class ExtraNode:
    """A node that has joined.

    Attributes:
        node_id: Ray's name of it.
        process: Ray's launcher, which ends with its raylet.
    """

    node_id: str
    process: subprocess.Popen

    def kill(self) -> None:
        """End the node as a power cut would; return when the cluster knows it."""
        _kill_tree(self.process)
        _wait_until(lambda: self.node_id not in alive())


@contextmanager
def extra_node(cpus: int, gpus: int = 0, cwd: Path | None = None) -> Iterator[ExtraNode]:
    """Join a node with so many CPUs and (simulated) GPUs, and kill it at the end."""
    known = alive()
    settings = {
        "gcs_address": ray.get_runtime_context().gcs_address,
        "num_cpus": cpus,
        "num_gpus": gpus,
        "object_store_memory": 100_000_000,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", NODE, json.dumps(settings)],
        cwd=cwd, env={**os.environ, "RAY_AUTH_MODE": "token", OUTSIDE: "0"},
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_until(lambda: len(alive()) > len(known), process)
        (node_id,) = alive() - known
        node = ExtraNode(node_id, process)
        yield node
    finally:
        if process.poll() is None:
            _kill_tree(process)
        _wait_until(lambda: alive() <= known)


@contextmanager
def head_is_full() -> Iterator[None]:
    """Hold all CPUs of the head, so that trials go elsewhere."""
    head = ray.get_runtime_context().get_node_id()
    (cpus,) = (node["Resources"]["CPU"] for node in ray.nodes() if node["NodeID"] == head)
    group = placement_group([{"CPU": cpus}], strategy="STRICT_PACK", _soft_target_node_id=head)
    ray.get(group.ready())
    try:
        yield
    finally:
        remove_placement_group(group)


def alive() -> set[str]:
    """Return Ray's names of the living nodes."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def _kill_tree(process: subprocess.Popen) -> None:
    """Kill a process and all that it started; some may end by themselves meanwhile."""
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait()


def _wait_until(holds, process=None, within_s=120):
    end = time.monotonic() + within_s
    while not holds():
        assert process is None or process.poll() is None, "the node did not come up"
        assert time.monotonic() < end, "the cluster did not change in time"
        time.sleep(0.1)
