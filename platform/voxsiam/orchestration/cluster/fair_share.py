"""A fair share of a cluster: all that is free, and an even part where others wait for theirs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import ray

from voxsiam.orchestration.cluster.autoscaler import autoscales, cluster_state
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.held_places import held_places

LOOK_EVERY_S = 1.0
GIVES_WAY_S = 2.0
"""Ray tries again once a second to place whoever waits; a trial that has just made room and asks
at once for the next would be first for ever."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class TrialSize:
    """What one trial of a job takes.

    Attributes:
        workers: DDP workers.
        gpu_share: Part of a GPU that each holds, where there are GPUs.
        threads: CPUs of a trial that trains in its own process; None for one with workers.
    """

    workers: int
    gpu_share: float
    threads: int | None

    def fitting(self, capacity: Capacity) -> int:
        """Count such trials that fit side by side."""
        if self.threads is not None:
            return capacity.trials_in_process(self.threads)
        return capacity.trials_on_workers(self.workers, self.gpu_share if capacity.gpus else 0.0)


@dataclass(frozen=True)
class Standing:
    """How this job stands among the others of the cluster.

    Attributes:
        held: Places of trials that this job holds.
        jobs: Other jobs that hold places, or wait for some.
        waits: Whether any of them waits.
    """

    held: int = 0
    jobs: int = 0
    waits: bool = False

    @classmethod
    def of_cluster(cls) -> "Standing":
        """Ask the Ray instance that this process has joined."""
        job = ray.get_runtime_context().get_job_id()
        places = list(held_places())
        # The driver makes the places of its trials; those of workers are made by the trials.
        held = [each for each in places if each.job == job and not each.maker and not each.waits]
        theirs = [each for each in places if each.job != job]
        tasks = _tasks_wait()
        jobs = max(len({each.job for each in theirs}), int(tasks))
        return cls(len(held), jobs, tasks or any(each.waits for each in theirs))


def trials_allowed(fit: int, free: int, standing: Standing) -> int:
    """Return how many trials one job may have at a time.

    Args:
        fit: Trials that the whole cluster has room for.
        free: Trials that there is room for now, beside all that runs.
        standing: Of the job among the others.
    """
    share = max(1, fit // (standing.jobs + 1))
    return share if standing.waits else max(share, min(fit, standing.held + free))


class FairShare:
    """The trials that this job may have now; asked again as trials end, and others and nodes come.

    Args:
        size: Of this job's trials.
        now: The clock.
    """

    def __init__(self, size: TrialSize, now: Clock = time.monotonic) -> None:
        self._size, self._now = size, now
        self._allowed, self._looked, self._rests_until = 1, -LOOK_EVERY_S, 0.0

    def allows_another(self, ours: int) -> bool:
        """Tell whether a trial may be begun beside those that this job has.

        Args:
            ours: Trials of this job that run, or wait for their places.
        """
        now = self._now()
        if now < self._rests_until:
            return False
        if now - self._looked >= LOOK_EVERY_S:
            self._looked = now
            self._allowed = self._ask()
        return ours < self._allowed

    def gives_way(self) -> bool:
        """Tell, when a trial has ended, whether somebody waits: its places shall be given back."""
        waits = Standing.of_cluster().waits
        if waits:
            self._rests_until = self._now() + GIVES_WAY_S
        return waits

    @cached_property
    def _grows(self) -> bool:
        return autoscales()

    def _ask(self) -> int:
        standing, fit = Standing.of_cluster(), self._size.fitting(Capacity.of_cluster())
        free = self._size.fitting(Capacity.free()) if standing.jobs else fit
        allowed = trials_allowed(fit, free, standing)
        # It starts nodes only for who waits: as many again as run, so that they double.
        return allowed + max(1, standing.held) if self._grows else allowed


def _tasks_wait() -> bool:
    """Tell whether tasks wait for a CPU or GPU: no study has such, so they are somebody else's."""
    waiting = cluster_state().pending_resource_requests
    asked = [each.request.resources_bundle for each in waiting]
    return any(bundle.get(kind, 0.0) for bundle in asked for kind in ("CPU", "GPU"))
