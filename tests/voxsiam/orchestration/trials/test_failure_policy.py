import pytest
from ray.exceptions import RayTaskError
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupFailedError,
    WorkerGroupStartupTimeoutError,
)
from ray.train.v2._internal.execution.failure_handling import FailureDecision
from ray.train.v2.api.exceptions import ControllerError

from voxsiam.orchestration.cluster.cause import cause_of
from voxsiam.orchestration.trials.failure_policy import MOST_FAILURES, RetryWithProgress

WORKERS_DIED = WorkerGroupError("died", {0: RuntimeError("killed")})
CANNOT_BEGIN = ControllerError(WorkerGroupStartupFailedError("a worker died while it started"))
NO_ROOM = ControllerError(WorkerGroupStartupTimeoutError(2))


@pytest.fixture
def policy(tmp_path):
    return RetryWithProgress(tmp_path / "checkpoints", tmp_path / "incidents.txt")


def decisions(policy, error, times):
    return [policy.make_decision(error).value for _ in range(times)]


def publish(tmp_path, epoch):
    (tmp_path / "checkpoints" / f"epoch-{epoch:04d}").mkdir(parents=True)


@pytest.mark.parametrize("error", [WORKERS_DIED, CANNOT_BEGIN])
def test_without_progress_a_run_is_tried_so_often(policy, error):
    assert decisions(policy, error, MOST_FAILURES + 1) == ["RETRY"] * MOST_FAILURES + ["RAISE"]


def test_a_new_checkpoint_gives_the_attempts_back(policy, tmp_path):
    for epoch in range(1, 20):
        publish(tmp_path, epoch)
        assert decisions(policy, WORKERS_DIED, MOST_FAILURES) == ["RETRY"] * MOST_FAILURES
    assert policy.make_decision(WORKERS_DIED) == FailureDecision.RAISE


def test_a_checkpoint_that_was_there_before_is_no_progress(tmp_path):
    publish(tmp_path, 7)
    policy = RetryWithProgress(tmp_path / "checkpoints", tmp_path / "incidents.txt")
    assert decisions(policy, WORKERS_DIED, MOST_FAILURES + 1)[-1] == "RAISE"


def test_waiting_for_room_is_no_failure(policy):
    assert decisions(policy, NO_ROOM, 50) == ["RETRY"] * 50
    assert decisions(policy, WORKERS_DIED, MOST_FAILURES) == ["RETRY"] * MOST_FAILURES


def test_workers_that_could_not_begin_are_told_with_the_cause(policy, tmp_path):
    policy.make_decision(CANNOT_BEGIN)
    told = (tmp_path / "incidents.txt").read_text()
    assert "its workers could not begin" in told
    assert "a worker died while it started" in told
    assert "controller error" not in told


def test_the_cause_is_the_innermost_error():
    inner = RuntimeError("no nccl here\nand more")
    task = RayTaskError("f", "Traceback (most recent call last): ...", inner)
    assert cause_of(ControllerError(task)) == "RuntimeError: no nccl here"
