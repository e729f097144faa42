"""What every node must see before a study starts: the same workspace, data and versions."""

import platform
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ray
import torch
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Node
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION

ANSWER_WITHIN_S = 120
"""A node that starts its first process takes seconds; one that is lost never answers."""


@dataclass(frozen=True)
class _View:
    """What one node sees: the checksum of a file, and versions that figures depend on."""

    checksum: str | None
    versions: str


def check_workspace(nodes: Sequence[Node], workspace: Workspace) -> None:
    """Refuse a workspace that some node does not see, and nodes of another version.

    Raises:
        UserError: With the nodes.
    """
    others = _others(nodes)
    if not others:
        return
    probe = workspace.root / f".seen-{uuid.uuid4().hex}"
    probe.write_text(probe.name)
    checksum = sha256_of(probe)
    try:
        views = _views(others, probe)
    finally:
        probe.unlink()
    _require(
        {node: view for node, view in views.items() if view.checksum != checksum},
        "the workspace is not the same folder on every node",
        where=str(workspace.root),
        fix="give a --workspace on storage that all nodes share, mounted at the same path",
    )
    ours = _versions()
    other = {node: view for node, view in views.items() if view.versions != ours}
    _require(
        other,
        f"nodes differ in versions from this one ({ours})",
        where="; ".join(sorted({view.versions for view in other.values()})),
        fix="install the same on all nodes (constraints.txt, or one image)",
    )


def check_data(nodes: Sequence[Node], record: Path) -> None:
    """Refuse a prepared set that some node does not see as we do.

    Args:
        nodes: Of the cluster.
        record: The file that names every volume of the set by its contents.

    Raises:
        UserError: With the nodes.
    """
    others = _others(nodes)
    checksum = sha256_of(record)
    views = _views(others, record)
    _require(
        {node: view for node, view in views.items() if view.checksum != checksum},
        "the prepared set is not the same on every node",
        where=str(record.parent),
        fix="prepare it on storage that all nodes share, mounted at the same path",
    )


def _others(nodes: Sequence[Node]) -> list[Node]:
    """Leave out this node, and those that carry no trial."""
    here = ray.get_runtime_context().get_node_id()
    return [node for node in nodes if node.node_id != here and (node.cpus or node.gpus)]


def _views(nodes: Sequence[Node], file: Path) -> dict[Node, _View]:
    """Ask every node at once; one that does not answer sees nothing."""
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    places = [NodeAffinitySchedulingStrategy(node.node_id, soft=False) for node in nodes]
    asked = {
        look.options(scheduling_strategy=place).remote(file): node
        for place, node in zip(places, nodes, strict=True)
    }
    if asked:
        ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN_S)
    return {node: _answer(reference) for reference, node in asked.items()}


def _answer(reference: ray.ObjectRef) -> _View:
    try:
        return ray.get(reference, timeout=0)
    except RayError:
        return _View(None, "no answer")


def _look(file: Path) -> _View:
    return _View(sha256_of(file) if file.is_file() else None, _versions())


def _versions() -> str:
    return f"Python {platform.python_version()}, torch {torch.__version__}, method {METHOD_VERSION}"


def _require(wrong: dict[Node, _View], what: str, *, where: str, fix: str) -> None:
    if wrong:
        named = ", ".join(node.name for node in wrong)
        raise UserError(f"{what}: {named}", where=where, fix=fix)
