"""A Ray instance for one command: started or joined, checked for room, and cleaned up after."""

import logging
import os
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private.services import get_ray_address_from_environment
from ray.job_config import JobConfig

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.autoscaler import await_first_node
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.head_watch import connect_once, watching_head
from voxsiam.orchestration.cluster.held_places import (
    HeldPlaces,
    end_own_actors,
    free_places_of_ended_jobs,
)
from voxsiam.orchestration.cluster.local_session import note_session, one_session, ray_folder
from voxsiam.orchestration.cluster.node_checks import check_workspace
from voxsiam.orchestration.cluster.ray_access import (
    keep_token_private,
    on_loopback,
    require_known_token,
)
from voxsiam.orchestration.cluster.ray_settings import RAY_SETTINGS, SESSION_SETTING
from voxsiam.orchestration.workspace import Workspace

log = logging.getLogger(__name__)

CONNECT_WITHIN_S = 10.0

IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets it for the command of a submitted job."""


@contextmanager
def ray_instance(
    workspace: Workspace, worker: Mapping[str, float] | None = None
) -> Iterator[Capacity]:
    """Join the cluster at RAY_ADDRESS, or start Ray on this machine and stop it at the end.

    A local instance is private (`address="local"`). What a killed command of this workspace left
    running is ended first: two instances on one host hang each other.

    Args:
        worker: What one worker holds, where the command trains: the first node that has it is
            waited for where an autoscaler starts nodes.

    Raises:
        UserError: Another command has a local Ray in this workspace now, or a node of the cluster
            does not see the workspace.
    """
    with _in_cluster(worker) if joins_cluster() else _on_this_machine(workspace):
        capacity = Capacity.of_cluster()
        check_workspace(capacity.nodes, workspace)
        yield capacity


def free_places() -> list[HeldPlaces]:
    """Join the cluster at RAY_ADDRESS, free what ended jobs still hold, and leave; return it.

    Raises:
        UserError: No cluster answers there.
    """
    _join()
    try:
        return free_places_of_ended_jobs()
    finally:
        _leave()
        ray.shutdown()


def joins_cluster() -> bool:
    """Tell whether commands join a Ray cluster: RAY_ADDRESS names it, as inside submitted jobs."""
    return bool(os.environ.get("RAY_ADDRESS"))


def local_cpus() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def object_store_bytes() -> int:
    """Return the shared memory that volumes may take: a third of the machine's, if it is free.

    It is taken only as it is used.
    """
    wanted = psutil.virtual_memory().total // 3
    shared = Path("/dev/shm")  # noqa: S108
    free = shutil.disk_usage(shared).free * 9 // 10 if shared.exists() else wanted
    return max(min(wanted, free), 256 * 2**20)


def start_ray(
    cpus: int,
    object_store: int,
    env_vars: dict[str, str] | None = None,
    *,
    dashboard: bool = False,
) -> Path:
    """Start a Ray that only this user of this machine can reach; return its session's folder.

    Args:
        cpus: How many it says it has; they are only tokens.
        object_store: Bytes of shared memory for volumes.
        env_vars: More environment for its workers.
        dashboard: Take jobs over HTTP, too; that costs processes and seconds.
    """
    keep_token_private()
    with on_loopback(), _deaf_to_a_closed_terminal():
        ray.init(
            address="local",
            _temp_dir=str(ray_folder()),
            num_cpus=cpus,
            include_dashboard=dashboard,
            object_store_memory=object_store,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"env_vars": env_vars} if env_vars else None,
            job_config=_without_current_folder(),
        )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return Path(ray._private.worker._global_node.get_session_dir_path())  # pyright: ignore


@contextmanager
def _on_this_machine(workspace: Workspace) -> Iterator[None]:
    with one_session(workspace):
        try:
            with _own_sigterm():
                # At least two, so that two workers run on a one-core machine too.
                folder = start_ray(max(2, local_cpus()), object_store_bytes())
            note_session(workspace, folder)
            yield
        finally:
            ray.shutdown()


@contextmanager
def _in_cluster(worker: Mapping[str, float] | None) -> Iterator[None]:
    with _own_sigterm():
        _join()
    for places in free_places_of_ended_jobs():
        log.warning("freed %s", places.told())
    with watching_head(ray.get_runtime_context().gcs_address):
        try:
            if worker:
                await_first_node(worker)
            yield
        finally:
            _leave()
            ray.shutdown()


def _join() -> None:
    """Join the cluster at RAY_ADDRESS; a submitted job has brought its settings and its code."""
    _require_listener(os.environ["RAY_ADDRESS"])
    brought: dict[str, Any] = {}
    if IN_A_JOB not in os.environ:
        settings = {name: os.environ[name] for name in RAY_SETTINGS}
        brought = {"runtime_env": {"env_vars": settings}, "job_config": _without_current_folder()}
    try:
        ray.init(**brought, logging_level=logging.ERROR, log_to_driver=False)
    except ConnectionError as error:
        told = f"{str(error).splitlines()[0]:.160}"
        raise _no_answer(told, os.environ.get("RAY_ADDRESS")) from None
    _require_session()
    logging.getLogger("ray.data").setLevel(logging.ERROR)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Take back what Ray puts there: it leaves with another exit code and keeps nothing."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, on_sigterm)


@contextmanager
def _deaf_to_a_closed_terminal() -> Iterator[None]:
    """Let what is started here outlive a terminal that is closed: its driver ends it, in order.

    Blocked, not ignored: programs inherit both, and what comes meanwhile reaches the driver after.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _without_current_folder() -> JobConfig:
    """Return settings with which workers do not import from the folder that this process is in.

    Ray puts it in front of their module path, whatever lies there; for its own clients it does not.
    """
    return JobConfig(_client_job=True)


def _leave() -> None:
    """End what this command has in the cluster; a cluster that is lost ends it by itself."""
    try:
        end_own_actors()
    except Exception as error:
        log.warning("the cluster did not answer when this command left it: %s", error)


def _require_session() -> None:
    """Refuse a Ray that is not the one to which this job was sent."""
    sent_to = os.environ.get(SESSION_SETTING)
    if sent_to is None:
        return
    joined = ray.get_runtime_context().get_session_name()
    if sent_to == joined:
        return
    ray.shutdown()
    raise UserError(
        f"this job was sent to the Ray of {sent_to} and has reached another, {joined}",
        where=f"{socket.gethostname()}, RAY_ADDRESS={os.environ.get('RAY_ADDRESS')}",
        fix="two Rays run on the head's machine: end the other one there, or give it a machine of "
        "its own",
    )


def _require_listener(address: str) -> None:
    """Refuse an address at which nobody listens, or where our token is turned away.

    Ray would try it for minutes, without a word.
    """
    if address == "auto":
        with suppress(ConnectionError):  # said by Ray itself
            address = get_ray_address_from_environment(address, None)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        connect_once(f"{host}:{port}", CONNECT_WITHIN_S)
    except (OSError, OverflowError) as error:
        raise _no_answer(str(error), address) from None
    require_known_token(f"{host}:{port}")


def _no_answer(told: str, address: str | None) -> UserError:
    return UserError(
        f"no Ray cluster answers: {told}",
        where=f"RAY_ADDRESS={address}",
        fix="is it running there (ray status)? unset it to use this machine alone",
    )
