"""A fair share of a cluster: all that is free, and an even part where others wait for theirs."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import ray

from voxsiam.orchestration.cluster.autoscaler import Demand, autoscales, cluster_state, is_demand
from voxsiam.orchestration.cluster.capacity import DRIVER, Capacity, worker_resources
from voxsiam.orchestration.cluster.held_places import HeldPlaces, ended_jobs, held_places

LOOK_EVERY_S = 1.0
RESTS_S = 2.0
"""Ray tries again once a second to place whoever waits; a trial that has just made room and asks
at once for the next would be first for ever."""

ROOM_IS_MADE_WITHIN_S = 30.0
STARVES_AFTER_S = 10.0
"""Another job that trains nothing has waited as long: what our share leaves is too small for it."""

DRAINED_IN_VAIN_S, GIVES_UP_FOR_S = 30.0, 600.0
"""What cannot be placed although we hold nothing at all does not wait for us."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class TrialSize:
    """What one trial of a job takes.

    Attributes:
        gpu_share: Part of a GPU that each worker holds; 0 where they train on CPUs.
        threads: CPUs of a trial that trains in its own process; None for one with workers.
    """

    workers: int
    gpu_share: float
    threads: int | None

    def fitting(self, capacity: Capacity) -> int:
        """Count such trials that fit side by side."""
        if self.threads is not None:
            return capacity.trials_in_process(self.threads)
        return capacity.trials_on_workers(self.workers, self.gpu_share)

    @property
    def bundles(self) -> list[dict[str, float]]:
        """Its places."""
        if self.threads is not None:
            return [{"CPU": float(self.threads)}]
        return [DRIVER, *[worker_resources(self.gpu_share)] * self.workers]


@dataclass(frozen=True)
class Standing:
    """How this job stands among the others of the cluster.

    Attributes:
        held: Places of trials that this job holds.
        jobs: Other jobs that hold places, or wait for some.
        waits: Whether any of them waits for what it could have.
        starves: Whether one that waits has nothing to train on.
        coming: Trials of all jobs whose workers have not asked for their places yet.
    """

    held: int = 0
    jobs: int = 0
    waits: bool = False
    starves: bool = False
    coming: int = 0

    @classmethod
    def of_cluster(cls, capacity: Capacity) -> "Standing":
        """Ask the Ray instance that this process has joined."""
        ours = ray.get_runtime_context().get_job_id()
        dead = ended_jobs()
        places = [p for p in held_places() if p.job not in dead and not is_demand(p)]
        # The driver makes the places of its trials; those of workers are made by the trials.
        held = [p for p in places if p.job == ours and not p.maker and not p.waits]
        theirs = [p for p in places if p.job != ours]
        waiting = [p for p in theirs if p.waits and capacity.could_hold(p.bundles)]
        training = {p.job for p in theirs if not p.waits and trains_on(p.resources)}
        tasks = _tasks_wait(capacity)
        return cls(
            held=len(held),
            jobs=max(len({p.job for p in theirs}), int(tasks)),
            waits=bool(waiting) or tasks,
            starves=bool({p.job for p in waiting} - training),
            coming=_coming(places),
        )


def trains_on(resources: Mapping[str, float]) -> bool:
    """Tell whether these train; what the process of a trial on workers holds does not."""
    return bool(resources.get("CPU") or resources.get("GPU"))


def trials_allowed(fit: int, free: int, standing: Standing) -> int:
    """Return how many trials one job may have at a time.

    Args:
        fit: Trials that the whole cluster has room for.
        free: Trials that there is room for now, beside all that runs.
    """
    share = max(1, fit // (standing.jobs + 1))
    room = standing.held + max(free - standing.coming, 0)
    return share if standing.waits else max(share, min(fit, room))


class FairShare:
    """The trials that this job may have now; asked as trials end and as others or nodes come."""

    def __init__(self, size: TrialSize, now: Clock = time.monotonic) -> None:
        self._size, self._now = size, now
        self._allowed, self._looked = 1, -LOOK_EVERY_S
        self._room, self._starving = _Room(), _Starving()
        self._demand = Demand(size.bundles)

    def allows_another(self, ours: int) -> bool:
        """Tell whether a trial may be begun beside ours that run, or wait for their places."""
        now = self._now()
        if now - self._looked >= LOOK_EVERY_S:
            self._looked = now
            self._allowed = self._ask(now)
        more = ours < self._allowed
        if not more and self._allowed and self._grows:
            # As much again as runs, so that it doubles.
            self._demand.is_for(self._allowed)
        return more

    def needs_no_more(self) -> None:
        """Hear that no trial is left to begin."""
        self._demand.is_over()

    def gives_way(self) -> bool:
        """Tell, when a trial has ended, whether its places shall be given back to who waits."""
        capacity = Capacity.of_cluster()
        standing = Standing.of_cluster(capacity)
        fit = self._size.fitting(capacity)
        # Within a share that all can have at the same time nobody waits for ours.
        contested = standing.jobs + 1 > fit
        above = standing.held > trials_allowed(fit, 0, standing)
        gives = standing.waits and (contested or above or self._starving.drains)
        if gives:
            self._room.is_to_be_made(standing.held, self._now())
            self._looked -= LOOK_EVERY_S  # what was allowed until now is not any more
        return gives

    @cached_property
    def _grows(self) -> bool:
        return autoscales()

    def _ask(self, now: float) -> int:
        capacity = Capacity.of_cluster()
        standing, fit = Standing.of_cluster(capacity), self._size.fitting(capacity)
        drains = self._starving.sees(standing, now)
        if drains or self._room.is_kept_free(standing.held, now):
            return 0
        free = self._size.fitting(Capacity.free()) if standing.jobs else fit
        return trials_allowed(fit, free, standing)


class _Room:
    """Places that a trial of ours gives back, for somebody else to be first."""

    def __init__(self) -> None:
        self._held, self._until = 0, 0.0

    def is_to_be_made(self, held: int, now: float) -> None:
        """Wait until fewer are held than now, and a moment longer."""
        self._held, self._until = held, now + ROOM_IS_MADE_WITHIN_S

    def is_kept_free(self, held: int, now: float) -> bool:
        """Tell whether nothing shall be asked for now."""
        if held < self._held:
            self._held, self._until = 0, now + RESTS_S
        return now < self._until


class _Starving:
    """Others for whom an even share of ours leaves too little: they get all that ends."""

    def __init__(self) -> None:
        self._since = self._alone_since = math.inf
        self._not_before, self.drains = 0.0, False

    def sees(self, standing: Standing, now: float) -> bool:
        """Tell whether no trial shall be begun for their sake."""
        self._since = min(self._since, now) if standing.starves else math.inf
        self.drains = now - self._since >= STARVES_AFTER_S and now >= self._not_before
        alone = self.drains and not standing.held
        self._alone_since = min(self._alone_since, now) if alone else math.inf
        if now - self._alone_since >= DRAINED_IN_VAIN_S:
            self._not_before, self.drains = now + GIVES_UP_FOR_S, False
        return self.drains


def _coming(places: Sequence[HeldPlaces]) -> int:
    """Count processes of trials that are placed, and whose workers' places nobody has asked for."""
    drivers = Counter(p.job for p in places if not (p.maker or p.waits or trains_on(p.resources)))
    workers = Counter(p.job for p in places if p.maker)
    return (drivers - workers).total()


def _tasks_wait(capacity: Capacity) -> bool:
    """Tell whether tasks wait for a CPU or GPU: no study has such, so they are somebody else's."""
    waiting = cluster_state().pending_resource_requests
    asked = [dict(each.request.resources_bundle) for each in waiting]
    return any(trains_on(bundle) and capacity.could_hold([bundle]) for bundle in asked)
