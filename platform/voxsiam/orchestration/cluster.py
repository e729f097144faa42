"""A Ray instance for one command: started or joined, checked for room, and cleaned up after."""

import json
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

# Ray reads these when it is imported. They are Ray's own settings, given here so that a trial
# starts in seconds: no usage reports, no metrics exporters, no polling every two seconds.
RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Workers report their placement group before there is a score that ASHA could look at.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
for _name, _value in RAY_SETTINGS.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402

from voxsiam.errors import UserError  # noqa: E402
from voxsiam.orchestration.workspace import Workspace, write_json  # noqa: E402

TRIAL_RESOURCE = "trial"
"""Tune's driver of a trial holds one of these and no CPU, so that workers cannot starve it."""


@dataclass(frozen=True)
class Capacity:
    """What the cluster can run at a time.

    Attributes:
        driver: What Tune's driver of a trial holds: a token of our own where we started Ray, a
            sliver of a CPU on a cluster that knows no such token.
    """

    cpus: int
    gpus: int
    driver: dict[str, float]

    @classmethod
    def of_cluster(cls) -> "Capacity":
        """Ask the Ray instance that this process has joined."""
        resources = ray.cluster_resources()
        driver = {TRIAL_RESOURCE: 1.0} if TRIAL_RESOURCE in resources else {"CPU": 0.01}
        return cls(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)), driver)

    def trials_at_once(self, workers: int) -> int:
        """Count the trials of so many workers that fit side by side.

        Raises:
            UserError: Not even one fits; Ray would wait for ever.
        """
        per_trial = workers + self.driver.get("CPU", 0)
        slots = self.gpus // workers if self.gpus else int(self.cpus // per_trial)
        if slots < 1:
            kind = f"{self.gpus} GPUs" if self.gpus else f"{self.cpus} CPUs"
            raise UserError(
                f"a trial of {workers} workers does not fit on {kind}",
                where="--workers",
                fix="ask for fewer workers",
            )
        return slots


@contextmanager
def ray_instance(workspace: Workspace) -> Iterator[Capacity]:
    """Join the cluster at RAY_ADDRESS, or start Ray on this machine and stop it at the end.

    A local instance is private (`address="local"`). What a killed command of this workspace left
    running is ended first: two instances on one host hang each other.

    Raises:
        UserError: Another command has a local Ray in this workspace now.
    """
    joins = bool(os.environ.get("RAY_ADDRESS"))
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if joins:
        ray.init(logging_level=logging.ERROR, log_to_driver=False)
    else:
        _end_leftovers(workspace)
        _start_local(workspace)
    # Ray puts its own handler there, which leaves with another exit code and keeps nothing.
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield Capacity.of_cluster()
    finally:
        ray.shutdown()
        if not joins:
            _session_file(workspace).unlink(missing_ok=True)


def alive_nodes() -> int:
    """Count the nodes of the Ray instance that this process has joined."""
    return sum(node["Alive"] for node in ray.nodes())


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


def _start_local(workspace: Workspace) -> None:
    # At least two, so that two workers run on a one-core machine too: CPUs are only tokens.
    cpus = max(2, local_cpus())
    ray.init(
        address="local",
        num_cpus=cpus,
        resources={TRIAL_RESOURCE: float(cpus)},
        include_dashboard=False,
        object_store_memory=object_store_bytes(),
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    node = ray._private.worker._global_node  # pyright: ignore
    owner = psutil.Process()
    session = {
        "folder": node.get_session_dir_path(),
        "pid": owner.pid,
        "started": owner.create_time(),
    }
    write_json(_session_file(workspace), session)


def _session_file(workspace: Workspace) -> Path:
    return workspace.ray / "session.json"


def _end_leftovers(workspace: Workspace) -> None:
    """Kill the processes of a Ray session whose driver, started for this workspace, is gone."""
    try:
        session = json.loads(_session_file(workspace).read_text())
    except (OSError, ValueError):
        return
    if _is_running(session["pid"], session["started"]):
        raise UserError(
            "another command is using this workspace now",
            where=str(workspace.root),
            fix="wait for it (voxsiam study status), or use another --workspace",
        )
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(session["folder"] in word for word in words):
            process.send_signal(signal.SIGKILL)


def _is_running(pid: int, started: float) -> bool:
    """Tell whether the very process still runs: its number may belong to another by now."""
    try:
        return psutil.Process(pid).create_time() == started
    except psutil.NoSuchProcess:
        return False
