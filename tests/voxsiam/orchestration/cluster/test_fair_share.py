"""How many trials a job may have: by arithmetic, and among the jobs of a real Ray."""

import subprocess
import sys
import time

import pytest
import ray
from ray.util.placement_group import placement_group, remove_placement_group

from voxsiam.orchestration.cluster import fair_share
from voxsiam.orchestration.cluster.autoscaler import Demand
from voxsiam.orchestration.cluster.capacity import DRIVER, Capacity, Node
from voxsiam.orchestration.cluster.fair_share import (
    DRAINED_IN_VAIN_S,
    LOOK_EVERY_S,
    RESTS_S,
    ROOM_IS_MADE_WITHIN_S,
    STARVES_AFTER_S,
    FairShare,
    Standing,
    TrialSize,
    trials_allowed,
)
from voxsiam.orchestration.cluster.ray_access import OUTSIDE

DRIVER_OF_ANOTHER = """
import sys, ray
from ray.util.placement_group import placement_group, remove_placement_group
ray.init(log_to_driver=False, logging_level="ERROR")

@ray.remote
def task():
    pass

kept = []
for asked in sys.stdin:
    kind, cpus = asked.split()
    if kind == "places":
        kept.append(placement_group([{"CPU": float(cpus)}]))
    elif kind == "demand":
        kept.append(placement_group([{"CPU": float(cpus)}], name="voxsiam-demand-1"))
    elif kind == "task":
        kept.append(task.options(num_cpus=float(cpus)).remote())
    else:
        for group in kept:
            remove_placement_group(group) if hasattr(group, "bundle_specs") else ray.cancel(group)
        kept.clear()
    print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("fit", "free", "standing", "allowed"),
    [
        (8, 8, Standing(), 8),  # alone
        (8, 0, Standing(held=8), 8),
        (8, 0, Standing(held=8, jobs=1, waits=True), 4),  # another has come
        (8, 0, Standing(held=4, jobs=1), 4),  # both have their share
        (8, 4, Standing(held=4, jobs=1), 8),  # the other has ended most of its trials
        (8, 0, Standing(jobs=1), 4),  # the other has all: ask for a share of it
        (8, 2, Standing(held=1, jobs=1, waits=True), 4),  # free, but others wait for it
        (8, 4, Standing(held=4, jobs=1, coming=3), 5),  # workers will ask for most of it
        (8, 2, Standing(held=4, jobs=1, coming=3), 4),
        (9, 0, Standing(held=5, jobs=3, waits=True), 2),
        (2, 0, Standing(held=1, jobs=9, waits=True), 1),  # more jobs than places: one each
        (0, 0, Standing(), 1),  # every node is gone for a moment
        (4, 9, Standing(held=3, jobs=1), 4),  # never more than fit
    ],
)
def test_a_job_has_what_is_free_and_its_share_where_others_wait(fit, free, standing, allowed):
    assert trials_allowed(fit, free, standing) == allowed


def test_trials_are_counted_by_what_they_take():
    cpus = Capacity((Node("a", "a", 5.0, 0.0), Node("b", "b", 4.0, 0.0)))
    assert TrialSize(1, 1.0, threads=2).fitting(cpus) == 4
    gpus = Capacity(
        (Node("a", "a", 8.0, 2.0), Node("b", "b", 8.0, 3.0, memory=2 * DRIVER["memory"]))
    )
    assert TrialSize(1, 1.0, threads=None).fitting(gpus) == 5
    assert TrialSize(2, 0.5, threads=None).fitting(gpus) == 5
    assert TrialSize(6, 1.0, threads=None).fitting(gpus) == 0
    assert TrialSize(1, 0.0, threads=None).fitting(gpus) == 16
    taken = Capacity((Node("a", "a", 8.0, 0.0), Node("b", "b", 8.0, 0.5)))
    assert TrialSize(1, 1.0, threads=None).fitting(taken) == 0
    assert TrialSize(1, 0.5, threads=None).fitting(taken) == 1
    little = Capacity((Node("a", "a", 8.0, 8.0, memory=2.5 * DRIVER["memory"]),))
    assert TrialSize(1, 1.0, threads=None).fitting(little) == 2


class Cluster:
    """Eight CPUs, and others who come and go."""

    def __init__(self, monkeypatch):
        self.now, self.standing, self.asked = 100.0, Standing(), 0
        self.autoscales = False
        capacity = Capacity((Node("a", "a", 8.0, 0.0),))
        monkeypatch.setattr(Capacity, "of_cluster", lambda: capacity)
        monkeypatch.setattr(Capacity, "free", lambda: Capacity(()))
        monkeypatch.setattr(Standing, "of_cluster", lambda _: self.ask())
        monkeypatch.setattr(fair_share, "autoscales", lambda: self.autoscales)
        self.share = FairShare(TrialSize(1, 1.0, threads=1), now=lambda: self.now)

    def ask(self):
        self.asked += 1
        return self.standing


def test_the_cluster_is_asked_once_a_second(monkeypatch):
    cluster = Cluster(monkeypatch)
    assert [cluster.share.allows_another(ours) for ours in (0, 7, 8)] == [True, True, False]
    assert cluster.asked == 1
    cluster.standing = Standing(held=8, jobs=1, waits=True)
    assert cluster.share.allows_another(7)
    cluster.now += LOOK_EVERY_S
    assert not cluster.share.allows_another(7)
    assert cluster.share.allows_another(3)
    assert cluster.asked == 2


@pytest.mark.parametrize(
    ("standing", "gives"),
    [
        (Standing(held=8), False),
        (Standing(held=8, jobs=1), False),
        (Standing(held=5, jobs=1, waits=True), True),  # more than its half
        (Standing(held=4, jobs=1, waits=True), False),  # the other waits for a third one's places
        (Standing(held=1, jobs=7, waits=True), False),
        (Standing(held=1, jobs=8, waits=True), True),  # nine jobs, eight places: they take turns
    ],
)
def test_places_are_given_back_above_the_share_and_where_there_is_none_for_all(
    standing, gives, monkeypatch
):
    cluster = Cluster(monkeypatch)
    cluster.standing = standing
    assert cluster.share.gives_way() is gives


def test_a_job_that_makes_room_asks_for_nothing_until_it_is_made_and_somebody_was_first(
    monkeypatch,
):
    cluster = Cluster(monkeypatch)
    cluster.standing = Standing(held=1, jobs=8, waits=True)
    assert cluster.share.gives_way()
    for _ in range(5):
        # Its ended trial still holds the place.
        assert not cluster.share.allows_another(0)
        cluster.now += LOOK_EVERY_S
    cluster.standing = Standing(jobs=8, waits=True)
    assert not cluster.share.allows_another(0)
    cluster.now += RESTS_S
    assert cluster.share.allows_another(0)


def test_a_place_that_is_never_given_back_is_not_waited_for(monkeypatch):
    cluster = Cluster(monkeypatch)
    cluster.standing = Standing(held=1, jobs=8, waits=True)
    assert cluster.share.gives_way()
    cluster.now += ROOM_IS_MADE_WITHIN_S
    assert cluster.share.allows_another(0)


def test_a_job_for_which_the_others_shares_leave_too_little_gets_all_that_ends(monkeypatch):
    """A training of eight workers, say, beside a study of single ones."""
    cluster = Cluster(monkeypatch)
    cluster.standing = Standing(held=4, jobs=1, waits=True, starves=True)
    assert cluster.share.allows_another(3)
    cluster.now += STARVES_AFTER_S
    assert not cluster.share.allows_another(0)
    assert cluster.share.gives_way()
    cluster.standing = Standing(jobs=1)
    assert not cluster.share.allows_another(0)
    cluster.now += RESTS_S
    assert cluster.share.allows_another(3)  # it waits for these: the other starves us now


def test_what_cannot_be_placed_although_nothing_of_ours_runs_does_not_end_a_study(monkeypatch):
    cluster = Cluster(monkeypatch)
    cluster.standing = Standing(held=1, jobs=1, waits=True, starves=True)
    assert cluster.share.allows_another(0)
    cluster.now += STARVES_AFTER_S
    assert not cluster.share.allows_another(0)
    cluster.standing = Standing(jobs=1, waits=True, starves=True)
    cluster.now += LOOK_EVERY_S
    assert not cluster.share.allows_another(0)
    cluster.now += DRAINED_IN_VAIN_S
    assert cluster.share.allows_another(3)
    cluster.now += STARVES_AFTER_S
    assert cluster.share.allows_another(3)


class Asked(Demand):
    """Notes for how many trials room is asked."""

    def __init__(self):
        super().__init__([{"CPU": 1.0}])
        self.trials = []

    def is_for(self, trials):
        self.trials.append(trials)


def test_an_autoscaler_sees_that_more_would_be_used(monkeypatch):
    """It starts nodes for places that are waited for, and for nothing else."""
    cluster, asked = Cluster(monkeypatch), Asked()
    monkeypatch.setattr(cluster.share, "_demand", asked)
    cluster.standing = Standing(held=8)
    assert not cluster.share.allows_another(8)
    assert asked.trials == []
    cluster = Cluster(monkeypatch)
    monkeypatch.setattr(cluster.share, "_demand", asked)
    cluster.autoscales, cluster.standing = True, Standing(held=8)
    assert cluster.share.allows_another(7)
    assert asked.trials == []
    assert not cluster.share.allows_another(8)
    assert asked.trials == [8]


@pytest.fixture
def another(child_environment, ray_instance):
    """Another driver in the same cluster; it is asked line by line."""
    environment = child_environment | {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_AUTH_MODE": "token",
        OUTSIDE: "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER_OF_ANOTHER],
        env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip

    def ask(what):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{what}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"

    yield ask
    process.kill()
    process.wait()


def stands_at(expected, within_s=60):
    end = time.monotonic() + within_s
    while (standing := Standing.of_cluster(Capacity.of_cluster())) != expected:
        assert time.monotonic() < end, standing
        time.sleep(0.1)


def test_the_others_are_those_who_hold_places_or_wait_for_some(another):
    own = placement_group([{"CPU": 1}])
    own.wait(60)
    try:
        stands_at(Standing(held=1))
        another("places 2")
        stands_at(Standing(held=1, jobs=1))
        another("places 2")  # of four CPUs one is free
        stands_at(Standing(held=1, jobs=1, waits=True))
        another("end 0")
        stands_at(Standing(held=1))
        another("places 4")
        stands_at(Standing(held=1, jobs=1, waits=True, starves=True))
        another("end 0")
        another("places 5")  # more than there is: nobody could make room
        stands_at(Standing(held=1, jobs=1))
        another("end 0")
        another("demand 4")  # for an autoscaler to see
        stands_at(Standing(held=1))
        another("end 0")
        another("task 4")  # as preparation of data: no places, and the CPUs are ours
        stands_at(Standing(held=1, jobs=1, waits=True))
    finally:
        remove_placement_group(own)
    stands_at(Standing())


def test_what_is_free_is_less_by_what_is_held(ray_instance):
    whole, own = Capacity.of_cluster(), placement_group([{"CPU": 1}])
    own.wait(60)
    try:
        end = time.monotonic() + 60
        while Capacity.free().cpus != whole.cpus - 1:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert [node.node_id for node in Capacity.free().nodes] == [
            node.node_id for node in whole.nodes
        ]
    finally:
        remove_placement_group(own)
