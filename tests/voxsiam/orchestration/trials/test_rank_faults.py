"""Which rank is to blame, from the errors that Ray Train saw and each rank's last heartbeat."""

import os
import socket

import pytest
from ray.exceptions import ActorDiedError
from ray.train.v2._internal.exceptions import (
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)

from voxsiam.orchestration.cluster.capacity import memory_limit
from voxsiam.orchestration.runs.heartbeat import (
    Heartbeat,
    HeartbeatSender,
    file_system_time,
    read_heartbeats,
)
from voxsiam.orchestration.runs.incidents import IncidentReader, note_incident
from voxsiam.orchestration.trials.rank_faults import describe_death, describe_faults

NOW = 1000.0
BROKEN = RuntimeError("Connection closed by peer [127.0.0.1]:4711")
WAITED = RuntimeError("Timed out waiting 15000ms for recv operation to complete")
FROZEN = WorkerHealthCheckTimeoutError("A worker health check has been hanging")
KILLED = WorkerHealthCheckFailedError("A worker health check failed.", ActorDiedError())


def heartbeat(rank, *, step=3, at=NOW, pid=None):
    return Heartbeat(
        rank=rank,
        pid=pid or os.getpid(),
        host=socket.gethostname(),
        epoch=2,
        step=step,
        resident=3 * 2**30,
        limit=8 * 2**30,
        at=at,
    )


def blamed(heartbeats, errors):
    return describe_faults({p.rank: p for p in heartbeats}, errors, 15.0, NOW)


def test_a_killed_rank_is_told_with_its_memory_and_those_that_lost_it_are_not():
    (told,) = blamed([heartbeat(0), heartbeat(1)], {0: BROKEN, 1: KILLED})
    assert told.startswith(f"rank 1 (process {os.getpid()} on {socket.gethostname()}, epoch 2")
    assert "was killed" in told
    assert "3.00 GiB of memory where 8.00 GiB is the limit" in told
    assert "fewer --workers" in told


def test_a_rank_whose_process_is_gone_is_told_before_ray_train_has_noticed():
    (told,) = blamed([heartbeat(0), heartbeat(1, pid=2**22 + 1)], {0: BROKEN})
    assert told.startswith("rank 1 ")
    assert "was killed" in told


@pytest.mark.parametrize(
    ("heartbeats", "errors"),
    [
        ([heartbeat(0), heartbeat(1, at=NOW - 15)], {1: FROZEN}),
        # The others' wait ran out before Ray Train noticed.
        ([heartbeat(0), heartbeat(1, at=NOW - 15)], {0: WAITED}),
        # Its process is well, its training is not: it stands a step behind.
        ([heartbeat(0, step=4), heartbeat(1, step=3)], {0: WAITED}),
        ([heartbeat(0, step=4), heartbeat(1, step=3)], {0: WAITED, 1: WAITED}),
    ],
)
def test_a_silent_rank_is_named_not_those_that_waited_for_it(heartbeats, errors):
    (told,) = blamed(heartbeats, errors)
    assert told.startswith("rank 1 (process")
    assert told.endswith("epoch 2, step 3) kept silent for 15 s and was ended")


def test_an_error_of_its_own_is_told_as_it_is():
    assert blamed([heartbeat(0), heartbeat(1)], {1: ValueError("no such case\nmore")}) == [
        "rank 1 failed: ValueError: no such case"
    ]


def test_without_heartbeats_a_rank_is_still_named():
    assert blamed([], {1: KILLED})[0].startswith("rank 1 was killed")


def test_a_heartbeat_says_where_the_rank_stands_and_goes_when_it_is_done(tmp_path):
    sender = HeartbeatSender(tmp_path / "heartbeats", 3)
    sender.begin_step(1, 4)
    before = file_system_time(tmp_path)
    with sender.beating():
        while not (found := read_heartbeats(tmp_path / "heartbeats")):
            pass
        assert found[3].pid == os.getpid()
        assert found[3].place == "epoch 2, step 5"
        assert found[3].at >= before
        assert 0 < found[3].resident < found[3].limit == memory_limit()
        assert not found[3].is_gone()
    assert read_heartbeats(tmp_path / "heartbeats") == {}
    assert describe_death(tmp_path / "heartbeats") is None


def test_a_heartbeat_is_dated_by_the_file_system_whatever_the_clock_of_its_node_says(tmp_path):
    for rank, hour in ((0, 3600.0), (1, -3600.0)):
        told = heartbeat(rank, at=file_system_time(tmp_path) + hour)
        (tmp_path / f"{rank}.json").write_text(told.model_dump_json())
    os.utime(tmp_path / "0.json", (NOW, NOW))
    now, found = file_system_time(tmp_path), read_heartbeats(tmp_path)
    assert [rank for rank in found if found[rank].is_silent(now)] == [0]


def test_incidents_are_told_once_each_and_in_whole_lines(tmp_path):
    file = tmp_path / "incidents.txt"
    note_incident(file, "of an earlier attempt")
    reader = IncidentReader(file)
    assert reader.new() == []
    note_incident(file, "two\nlines")
    with file.open("a") as stream:
        stream.write("half")
    assert reader.new() == ["two lines"]
    with file.open("a") as stream:
        stream.write(" and half\n")
    assert reader.new() == ["half and half"]
    assert reader.new() == []
