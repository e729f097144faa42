"""What every node must see before a study starts: the same workspace, data and versions."""

import errno
import logging
import os
import platform
import socket
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray
import torch
from ray.exceptions import ActorUnschedulableError, RayError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Node
from voxsiam.orchestration.cluster.cause import cause_of
from voxsiam.orchestration.cluster.waiting import waited_for
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION

ANSWER_WITHIN_S = 120
"""A node that starts its first process takes seconds; one that is lost never answers."""

NO_ROOM_SIGNS = (os.strerror(errno.ENOSPC), "WorkerCrashedError")

CLOCK_TOLERANCE_S = 60.0

log = logging.getLogger(__name__)


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


def check_workspace(nodes: Sequence[Node], workspace: Workspace) -> None:
    """Refuse, by name, nodes that do not see the workspace or have other versions."""
    ours, others = Versions.here(), _others(nodes)
    here = {node: ours for node in nodes if node.trains and node not in others}
    if not others:
        require_versions(here, ours)
        return
    probe = workspace.root / f".seen-{uuid.uuid4().hex}"
    probe.write_text(probe.name)
    checksum = sha256_of(probe)
    try:
        views = _views(others, probe)
    finally:
        probe.unlink()
    _require(
        (node for node, view in views.items() if view.checksum != checksum),
        "the workspace is not the same folder on every node",
        where=str(workspace.root),
        fix="give a --workspace on storage that all nodes share, mounted at the same path",
    )
    require_versions(here | {node: view.versions for node, view in views.items()}, ours)
    _tell_clocks(views)


def check_data(nodes: Sequence[Node], record: Path) -> None:
    """Refuse, by name, nodes that do not see a prepared set as we do; the dead are passed over.

    Args:
        record: The file that names every volume of the set by its contents.
    """
    checksum = sha256_of(record)
    views = _views(_others(nodes), record)
    _require(
        (node for node, view in views.items() if view.checksum != checksum),
        "the prepared set is not the same on every node",
        where=str(record.parent),
        fix="prepare it on storage that all nodes share, mounted at the same path",
    )


def require_versions(found: Mapping[Node, Versions], ours: Versions) -> None:
    """Refuse nodes of another release than this one, and nodes that train on different builds.

    The head may have another build of torch, as it does not train where nodes have GPUs.

    Args:
        found: Of the nodes that have processors or GPUs, this one among them if it has.
    """
    other = {node: each for node, each in found.items() if each.release != ours.release}
    _require(
        other,
        f"nodes differ in versions from this one ({ours.release})",
        where="; ".join(sorted({each.release for each in other.values()})),
        fix="install the same on all nodes (`make install`, or one image)",
    )
    on_gpus = any(node.gpus for node in found)
    training = {node: each for node, each in found.items() if node.gpus or not on_gpus}
    builds = sorted({each.torch for each in training.values()})
    _require(
        training if len(builds) > 1 else (),
        "the nodes that train have different builds of torch, which may differ in last digits",
        where="; ".join(builds),
        fix="install the same on all nodes that train (one image)",
    )
    _require(
        (node for node, each in found.items() if node.gpus and not each.for_gpus),
        "nodes offer GPUs that their torch cannot use",
        where="; ".join(builds),
        fix="install torch for GPUs there (README), or hide them: ray start --num-gpus=0, or here "
        "CUDA_VISIBLE_DEVICES= (empty)",
    )


def require_like_the_others(folder: Path, release: str) -> None:
    """Refuse to train on a node that has joined after the checks and is not like those before it.

    Args:
        folder: Of the study's, on storage that all nodes share.
        release: Of the study's nodes when it began.

    Raises:
        UserError: It has other versions, or does not see the folder.
    """
    ours, where = Versions.here().release, socket.gethostname()
    if ours != release:
        raise UserError(
            f"a node has joined that differs in versions ({ours}) from the others ({release})",
            where=where,
            fix="install the same on all nodes (`make install`, or one image), or take it out",
        )
    if not folder.is_dir():
        raise UserError(
            f"a node has joined that does not see {folder}",
            where=where,
            fix="mount there what the other nodes share, at the same path, or take it out",
        )


def _others(nodes: Sequence[Node]) -> list[Node]:
    """Leave out this node, and those that carry no trial."""
    here = ray.get_runtime_context().get_node_id()
    return [node for node in nodes if node.node_id != here and node.trains]


def _views(nodes: Sequence[Node], file: Path) -> dict[Node, NodeView]:
    """Ask every node at once; those that have died meanwhile are named and left out.

    Raises:
        UserError: A node that lives does not answer, or answers with an error.
    """
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked: dict[ray.ObjectRef, Node] = {}
    for node in nodes:
        place = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        asked[look.options(scheduling_strategy=place).remote(file)] = node
    if asked:
        waited_for(
            lambda: ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN_S),
            f"an answer of {len(asked)} nodes",
            lambda: _silent(asked),
        )
    answers = {node: _answer(reference) for reference, node in asked.items()}
    living = {each["NodeID"] for each in ray.nodes() if each["Alive"]}
    for node in set(answers):
        if node.node_id not in living:
            log.warning("%s has left the cluster: going on without it", node.name)
            del answers[node]
    _require(
        (node for node, answer in answers.items() if answer is None),
        f"nodes do not answer within {ANSWER_WITHIN_S} s",
        where="the cluster",
        fix="look at them (ray status), restart Ray there, or take them out",
    )
    errors = {node: answer for node, answer in answers.items() if isinstance(answer, str)}
    _require(
        errors,
        "nodes cannot run our code",
        where="; ".join(sorted(set(errors.values()))),
        fix=_mend(errors.values()),
    )
    return {node: view for node, view in answers.items() if isinstance(view, NodeView)}


def _look(file: Path) -> NodeView:
    checksum = sha256_of(file) if file.is_file() else None
    return NodeView(checksum, Versions.here(), time.time())


def _mend(errors: Iterable[str]) -> str:
    """Say what to do about nodes on which nothing of ours could be called.

    Ray's processes die at their start where they cannot write their logs.
    """
    if any(sign in error for error in errors for sign in NO_ROOM_SIGNS):
        return "make room there, on the disk of Ray's folder (df /tmp/ray) and in memory"
    return "install the same on all nodes (`make install`, or one image)"


def _silent(asked: Mapping[ray.ObjectRef, Node]) -> list[str]:
    _, waiting = ray.wait(list(asked), num_returns=len(asked), timeout=0)
    return [asked[reference].name for reference in waiting]


def _answer(reference: ray.ObjectRef) -> NodeView | str | None:
    """Return what a node sees; its error in words; None where it said nothing."""
    try:
        return ray.get(reference, timeout=0)
    except (TimeoutError, TaskUnschedulableError, ActorUnschedulableError):
        return None
    except RayError as error:
        return cause_of(error)


def _tell_clocks(views: Mapping[Node, NodeView]) -> None:
    """Say whose clock differs: times of runs and of files would contradict each other."""
    now = time.time()
    for node, view in views.items():
        if abs(view.at - now) > CLOCK_TOLERANCE_S:
            log.warning("the clock of %s differs from ours by %.0f s", node.name, view.at - now)


def _require(wrong: Iterable[Node], what: str, *, where: str, fix: str) -> None:
    if named := ", ".join(node.name for node in wrong):
        raise UserError(f"{what}: {named}", where=where, fix=fix)
