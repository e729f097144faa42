import pytest
import ray.train

from tests.voxsiam.orchestration.toy_study import make_run
from voxsiam.orchestration.trials.worker import RayTrainWorker, RunStoppedError, Stamp
from voxsiam.orchestration.workspace import Workspace


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A single rank whose records go nowhere; it has been asked to stop."""
    monkeypatch.setattr(ray.train, "report", lambda _record: None)
    monkeypatch.setattr(RayTrainWorker, "rank", 0)
    plan = make_run(Workspace(tmp_path))
    plan.directory.mkdir(parents=True)
    plan.stop_file.touch()
    return RayTrainWorker(Stamp(index=1, epochs=3), plan)


def test_a_run_that_is_asked_ends_with_its_epoch(worker):
    with pytest.raises(RunStoppedError):
        worker.report({"epoch": 2.0})


def test_a_run_that_has_done_its_last_epoch_is_not_stopped_before_its_result(worker):
    worker.report({"epoch": 3.0})
