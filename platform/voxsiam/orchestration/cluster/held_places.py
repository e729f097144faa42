"""Places in the cluster that are held for processes that are gone: found, and freed.

Ray gives the places of a placement group back when both the actor that made it and its whole job
have ended, and looks only in the moment in which they end. Where one of them lives on, or a group
is made in that very moment, its places stay held, and whoever comes later waits for ever.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import ray
from ray._private.state import state
from ray._private.worker import global_worker
from ray.core.generated import gcs_pb2
from ray.util.placement_group import PlacementGroup, remove_placement_group

from voxsiam.orchestration.cluster.capacity import EPSILON, in_gib

ENDS_WITHIN_S = 20.0
"""An actor that is killed is gone in a second; one on a node that does not answer takes longer."""


@dataclass(frozen=True)
class HeldPlaces:
    """A placement group that holds places, or waits for them.

    Attributes:
        maker: The actor that made it; None for the driver of the job.
        bundles: What each place holds.
        waits: Whether the places are asked for and not yet held.
        name: That its maker gave it, often none.
    """

    group: ray.PlacementGroupID
    job: str
    maker: str | None
    bundles: tuple[dict[str, float], ...]
    waits: bool
    name: str = ""

    @property
    def resources(self) -> dict[str, float]:
        """What all its places hold."""
        kinds = {kind for bundle in self.bundles for kind in bundle}
        return {kind: sum(bundle.get(kind, 0.0) for bundle in self.bundles) for kind in kinds}

    def __str__(self) -> str:
        return in_words(self.resources)

    def told(self) -> str:
        """Say what it is, of a job that has ended."""
        return f"{self} that job {self.job}, which has ended, still held"

    def free(self) -> None:
        """Give the places back; whoever still uses them is killed."""
        remove_placement_group(PlacementGroup(self.group))


def free_places_of_the_dead() -> list[HeldPlaces]:
    """Free the places of trials of this job that were killed; return its other places."""
    ours, kept = ray.get_runtime_context().get_job_id(), []
    for places in held_places():
        if places.job != ours:
            continue
        if places.maker is not None and _is_dead(places.maker):
            places.free()
        else:
            kept.append(places)
    return kept


def free_places_of_ended_jobs() -> list[HeldPlaces]:
    """Free what belongs to jobs that have ended, and return it; what still has a maker stays."""
    ended = ended_jobs()
    left = [
        places
        for places in held_places()
        if places.job in ended and (places.maker is None or _is_dead(places.maker))
    ]
    for places in left:
        places.free()
    return left


def end_own_actors() -> None:
    """End the actors of this job and free its places, before its driver leaves the cluster.

    An actor that outlived the driver for a moment could ask for new places in that moment.
    """
    job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
    core = global_worker.core_worker  # pyright: ignore[reportAttributeAccessIssue]
    end = time.monotonic() + ENDS_WITHIN_S
    while living := _living_actors(job):
        for actor in living:
            core.kill_actor(ray.ActorID.from_hex(actor), True)
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    for places in held_places():
        if places.job == job.hex():
            places.free()


def who_holds(kinds: AbstractSet[str]) -> Sequence[str]:
    """Say who holds such resources, job by job; nobody where the cluster has none of them."""
    held: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(kinds, 0.0))
    free, total = ray.available_resources(), ray.cluster_resources()
    by_tasks = {kind: total.get(kind, 0.0) - free.get(kind, 0.0) for kind in kinds}
    for places in held_places():
        if not places.waits:
            for kind in kinds & places.resources.keys():
                held[places.job][kind] += places.resources[kind]
                by_tasks[kind] -= places.resources[kind]
    ours = ray.get_runtime_context().get_job_id()
    commands = {job["JobID"]: job["Entrypoint"] for job in state.job_table()}
    told = [
        ("this command" if job == ours else f"job {job} ({commands.get(job, '')})", resources)
        for job, resources in held.items()
    ]
    told.append(("tasks", by_tasks))
    something = [(who, {k: n for k, n in each.items() if n > EPSILON}) for who, each in told]
    return [f"{who}: {in_words(holds)}" for who, holds in something if holds]


def ended_jobs() -> set[str]:
    """Return the jobs whose driver is gone."""
    return {job["JobID"] for job in state.job_table() if job["IsDead"]}


def in_words(resources: Mapping[str, float]) -> str:
    """Write resources as people read them."""
    return " and ".join(
        in_gib(number) if kind == "memory" else f"{number:g} {kind}"
        for kind, number in sorted(resources.items())
    )


def _living_actors(job: ray.JobID) -> list[str]:
    actors = state.actor_table(None, job_id=job, actor_state_name=None)
    living = {name: actor for name, actor in actors.items() if actor["State"] != "DEAD"}
    return [name for name, actor in living.items() if not actor["IsDetached"]]


def _is_dead(actor: str) -> bool:
    return state.actor_table(actor).get("State") == "DEAD"


def held_places() -> Iterator[HeldPlaces]:
    """Yield the placement groups of all jobs, but for those that shall outlive their jobs."""
    table_data = gcs_pb2.PlacementGroupTableData  # pyright: ignore[reportAttributeAccessIssue]
    removed = table_data.PlacementGroupState.REMOVED
    nobody = ray.ActorID.nil().binary()
    for told in state._connect_and_get_accessor().get_placement_group_table():  # pyright: ignore[reportPrivateUsage]
        group = table_data.FromString(told)
        if group.state == removed or group.is_detached:
            continue
        maker = group.creator_actor_id
        yield HeldPlaces(
            group=ray.PlacementGroupID(group.placement_group_id),
            job=group.creator_job_id.hex(),
            maker=None if maker in (b"", nobody) else maker.hex(),
            bundles=tuple(dict(bundle.unit_resources) for bundle in group.bundles),
            waits=group.state != table_data.PlacementGroupState.CREATED,
            name=group.name,
        )
