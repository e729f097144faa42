import re
import time
from pathlib import Path

import pytest
import ray
import requests

from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from voxsiam.orchestration.cluster.ray_instance import Capacity
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.trials.cluster_metrics import (
    READINGS,
    ClusterMetrics,
    cluster_listeners,
)
from voxsiam.orchestration.workspace import Workspace

pytestmark = pytest.mark.usefixtures("ray_instance")

LINE = re.compile(r"^ray_(voxsiam_\w+)\{(.*)\} (\S+)$", re.M)


def read(name, trial, record):
    return READINGS[name][1](trial, record)


def scrape(until, seconds=60):
    """{gauge: {(study, row, seed): value}} of the endpoint, once it holds what is waited for."""
    node = ray.nodes()[0]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    give_up, found = time.monotonic() + seconds, {}
    while time.monotonic() < give_up:
        found = {}
        for name, tags, value in LINE.findall(requests.get(url, timeout=10).text):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', tags))
            key = labels["study"], labels["row"], labels["seed"]
            found.setdefault(name, {})[key] = float(value)
        if until(found):
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {found}")


def test_readings_are_those_of_the_record_and_what_is_missing_is_none(tmp_path):
    (trial,) = make_plan(Workspace(tmp_path), rows=1).trials
    record = {"epoch": 2.0, "train/loss": 0.5, "seconds/epoch": 3.0, "memory_mb/device": 1.5}
    # Six cases in batches of four; the short one counts.
    assert read("voxsiam_volumes_per_second", trial, record) == 2.0
    recipe = trial.run.recipe.model_copy(update={"drop_last": True})
    shorter = trial.model_copy(update={"run": trial.run.model_copy(update={"recipe": recipe})})
    assert read("voxsiam_volumes_per_second", shorter, record) == pytest.approx(4 / 3)
    assert read("voxsiam_gpu_memory_bytes", trial, record) == 1.5e6
    assert read("voxsiam_validation_dsc", trial, record) is None
    assert {name: read(name, trial, {"epoch": 1.0}) for name in READINGS} == {
        **dict.fromkeys(READINGS),
        "voxsiam_epoch": 1.0,
    }


def test_only_a_cluster_that_was_joined_has_them(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster_listeners("table3") == []
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert len(cluster_listeners("table3")) == 1


def test_they_cost_nothing_to_speak_of(tmp_path):
    (trial,) = make_plan(Workspace(tmp_path), rows=1).trials
    metrics = ClusterMetrics("costs")
    record: dict[str, float] = dict.fromkeys(
        ("epoch", "train/loss", "validation/dsc", "seconds/epoch"), 1.0
    )
    start = time.process_time()
    for _ in range(100):
        metrics.epoch_done(trial, record)
    # An epoch takes seconds; measured 0.02 ms.
    assert (time.process_time() - start) / 100 < 0.01


@pytest.mark.slow
def test_a_run_is_seen_from_outside_by_study_row_and_seed(tmp_path, monkeypatch):
    """In Prometheus' format, in the logs of Ray's processes and in the names of actors."""
    monkeypatch.setenv("RAY_ADDRESS", "joined")
    workspace = Workspace(tmp_path / "workspace")
    plan = make_plan(workspace, workers=2, rows=1).model_copy(update={"study_id": "seen"})
    ledger = Ledger.create(workspace, plan)
    assert run_study(ledger, ToyCases(), workspace, Capacity.of_cluster(), []) == []

    key = ("seen", "feature (1)", "0")
    found = scrape(lambda found: found.get("voxsiam_running", {}).get(key) == 0.0)
    assert found["voxsiam_epoch"][key] == 3
    assert found["voxsiam_volumes_per_second"][key] > 0
    assert 0 <= found["voxsiam_validation_dsc"][key] <= 1
    assert key not in found.get("voxsiam_gpu_memory_bytes", {})

    session = Path(ray._private.worker._global_node.get_session_dir_path())  # pyright: ignore
    text = "".join(path.read_text() for path in (session / "logs").glob("worker-*.err"))
    for rank in (0, 1):
        epochs = re.findall(
            rf"\[seen \| feature \(1\) \| seed 0 \| rank {rank}\] epoch (\d+)", text
        )
        assert epochs == ["1", "2", "3"]
    (attempt,) = (path.name for path in workspace.ray.iterdir() if path.name.startswith("seen."))
    assert attempt.startswith("seen.feature-1.seed-0.")
