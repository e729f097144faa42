"""Places of those who are gone, in a real Ray: made by actors that are killed, and by jobs."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

from tests.polling import wait_until
from voxsiam.orchestration.cluster import held_places
from voxsiam.orchestration.cluster.held_places import (
    free_places_of_ended_jobs,
    free_places_of_the_dead,
)
from voxsiam.orchestration.cluster.ray_access import OUTSIDE

pytestmark = pytest.mark.usefixtures("ray_instance")

DRIVER = """
import sys, ray
from ray.util.placement_group import placement_group
from voxsiam.orchestration.cluster.held_places import end_own_actors
ray.init(log_to_driver=False, logging_level="ERROR")

@ray.remote(num_cpus=0)
class Maker:
    def __init__(self):
        import threading
        threading.Thread(target=self.go_on, daemon=True).start()

    def go_on(self):
        while True:  # as a controller that waits for workers: it asks, gives up, and asks again
            group = placement_group([{"CPU": 1000}])
            group.wait(0.05)

    def ready(self):
        pass

makers = [Maker.remote() for _ in range(2)]
ray.get([maker.ready.remote() for maker in makers])
print(ray.get_runtime_context().get_job_id(), flush=True)
sys.stdin.readline()
end_own_actors()
"""


class Maker:
    """Makes a placement group, as the controller of a training does."""

    def make(self):
        group = placement_group([{"CPU": 1}])
        group.wait(60)
        return group.id.hex()


def state_of(group):
    return placement_group_table()[group]["state"]


def groups_of(job):
    return [places for places in held_places.held_places() if places.job == job]


def test_the_places_of_a_killed_process_are_free_again_and_no_others():
    maker: Any = ray.remote(num_cpus=0)(Maker)
    dead, alive = maker.remote(), maker.remote()
    left, used = ray.get([dead.make.remote(), alive.make.remote()])
    own = placement_group([{"CPU": 1}])  # of the driver: it has no maker, which looks dead
    own.wait(60)
    try:
        free_places_of_the_dead()
        assert state_of(left) == state_of(used) == "CREATED"
        ray.kill(dead)
        wait_until(lambda: (free_places_of_the_dead(), state_of(left))[1] == "REMOVED")
        assert state_of(used) == state_of(own.id.hex()) == "CREATED"
        assert free_places_of_ended_jobs() == []
        assert state_of(used) == "CREATED"
    finally:
        remove_placement_group(own)
        ray.kill(alive)
        wait_until(lambda: (free_places_of_the_dead(), state_of(used))[1] == "REMOVED")


@pytest.fixture
def job(child_environment):
    """Another driver in the same cluster, whose actors ask for places again and again."""
    environment = child_environment | {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_AUTH_MODE": "token",
        OUTSIDE: "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def test_a_job_that_ends_leaves_nothing_behind(job):
    name = job.stdout.readline().strip()
    wait_until(lambda: groups_of(name))
    assert free_places_of_ended_jobs() == []
    job.communicate("\n", timeout=60)
    assert job.returncode == 0
    assert groups_of(name) == []


def test_what_a_killed_job_left_behind_is_freed_and_named(job, monkeypatch):
    name = job.stdout.readline().strip()
    wait_until(lambda: groups_of(name))
    held = {places.group for places in groups_of(name)}
    # As it is when a group is made in the moment in which its job is seen to end.
    left = placement_group([{"CPU": 1000}])
    job.kill()
    job.wait()
    wait_until(lambda: not held & {places.group for places in groups_of(name)})
    told = list(held_places.held_places())
    monkeypatch.setattr(
        held_places,
        "held_places",
        lambda: [replace(p, job=name) if p.group == left.id else p for p in told],
    )
    freed = free_places_of_ended_jobs()
    assert [str(places) for places in freed if places.group == left.id] == ["1000 CPU"]
    assert state_of(left.id.hex()) == "REMOVED"
