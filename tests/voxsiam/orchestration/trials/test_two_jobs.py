"""Jobs of two drivers on one Ray: whoever comes second is not last."""

import subprocess
import sys
from contextlib import ExitStack

import pytest
import ray

from tests.polling import wait_until
from voxsiam.orchestration.cluster.ray_access import OUTSIDE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]

JOB = [sys.executable, "-m", "tests.voxsiam.orchestration.trials.job_beside_another"]


@pytest.fixture
def both(child_environment, tmp_path):
    """Run two jobs, the second once a trial of the first has begun; return what they noted."""
    environment = child_environment | {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_AUTH_MODE": "token",
        OUTSIDE: "0",
    }
    log = tmp_path / "log"
    log.touch()

    def start(running, name, size, other):
        words = [*JOB, name, *map(str, size), str(log), other]
        process = subprocess.Popen(words, env=environment)
        running.callback(process.wait)
        running.callback(process.kill)
        return process

    def run(first, second):
        with ExitStack() as running:
            jobs = [start(running, "first", first, "second")]
            wait_until(lambda: "first begin" in log.read_text())
            jobs.append(start(running, "second", second, "first"))
            assert [job.wait() for job in jobs] == [0, 0]
        return log.read_text().splitlines()

    return run


def begun_before(lines, what, name):
    return lines[: lines.index(what)].count(f"{name} begin")


def test_two_jobs_with_one_place_take_turns(both):
    lines = both(first=(5, 4), second=(3, 4))
    assert lines.count("first begin") == 5
    assert lines.count("second begin") == 3
    # Neither begins two trials on end while the other waits.
    turns = [line.split()[0] for line in lines if line.endswith("begin")]
    assert turns[:6] == ["first", "second"] * 3, lines


def test_a_trial_that_needs_the_whole_cluster_is_not_last(both):
    lines = both(first=(16, 1), second=(1, 4))
    assert begun_before(lines, "second begin", "first") < 12, lines
    assert lines.count("first begin") == 16


def test_two_equal_jobs_share(both):
    lines = both(first=(12, 1), second=(6, 1))
    assert begun_before(lines, "second begin", "first") <= 6, lines
    assert begun_before(lines, "second ends", "first") <= 12, lines
