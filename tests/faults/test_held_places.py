"""F18: no place stays held for workers that could not begin, or whose trial was killed.

Run: pytest tests/faults/test_held_places.py
"""

import os
import signal

import pytest
import ray

from tests.faults.late_starters import LateWorkers
from tests.faults.trained import Trained
from tests.integration.nodes import extra_node
from tests.voxsiam.orchestration.toy_study import ToyCases, make_volume
from voxsiam.orchestration.cluster import held_places
from voxsiam.orchestration.trials.failure_policy import MOST_FAILURES
from voxsiam.orchestration.trials.trial import TrialSetup

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]
ALL_BUT_ONE = 3
"""Of the four processors of the tests' Ray: a second group does not fit beside a first."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, ray_instance):
    folder = tmp_path_factory.mktemp("unbroken")
    return Trained(folder, ToyCases(), workers=ALL_BUT_ONE).losses()


@pytest.fixture(autouse=True)
def nothing_stays_held():
    yield
    ours = ray.get_runtime_context().get_job_id()
    assert [str(each) for each in held_places.held_places() if each.job == ours] == []


@pytest.fixture
def fail_at_start(monkeypatch, tmp_path):
    """Let the ranks of the next training not meet before so many failures."""

    def set_up(failures):
        def workers(job):
            return LateWorkers(
                job.workers, 0.0, 60.0, job.workspace.ray, watched=False,
                folder=tmp_path, failures=failures,
            )  # fmt: skip

        monkeypatch.setattr(TrialSetup, "_workers", workers)

    return set_up


def test_workers_that_cannot_begin_twice_are_told_and_the_run_is_the_unbroken_one(
    fail_at_start, tmp_path, unbroken
):
    fail_at_start(failures=2)
    trained = Trained(tmp_path / "w", ToyCases(), workers=ALL_BUT_ONE)
    assert trained.state == "finished"
    told = "its workers could not begin: RuntimeError: no nccl here"
    assert trained.recorder.incidents == [told, told]
    assert trained.losses() == unbroken
    trained.assert_tracked_once()


def test_workers_that_can_never_begin_end_the_run_with_the_cause(fail_at_start, tmp_path):
    fail_at_start(failures=10**6)
    trained = Trained(tmp_path / "w", ToyCases(), workers=ALL_BUT_ONE)
    assert trained.state == "failed"
    assert trained.error == "its workers could not begin: RuntimeError: no nccl here"
    assert len(list(tmp_path.glob("start-*"))) == MOST_FAILURES + 1


def test_a_gpu_that_torch_does_not_know_ends_the_run_and_gives_it_back(tmp_path):
    with extra_node(cpus=1, gpus=1):
        trained = Trained(tmp_path / "w", ToyCases(), workers=1)
        assert trained.state == "failed"
        assert "its workers could not begin" in trained.error
        assert ray.available_resources()["GPU"] == 1


class KillsTheTrial(ToyCases):
    """Its first read, in a worker, kills the trial's process: before there is anything to tell."""

    def __init__(self, flag):
        self.flag, self.trial = flag, os.getpid()

    def __getstate__(self):
        return {"flag": self.flag, "trial": os.getpid()}  # of the process that sends it

    def __call__(self, case_id):
        if not self.flag.exists():
            self.flag.touch()
            os.kill(self.trial, signal.SIGKILL)
        return make_volume(case_id)


def test_a_trial_killed_before_its_first_report_leaves_room_for_the_next(tmp_path, unbroken):
    cases = KillsTheTrial(tmp_path / "killed")
    trained = Trained(tmp_path / "w", cases, workers=ALL_BUT_ONE)
    assert cases.flag.exists()
    assert trained.state == "finished"
    assert trained.losses() == unbroken
