"""Studies against MLflow on PostgreSQL and in object storage, and many writers at once."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import REPOSITORY
from tests.postgres import find_programs, postgres
from tests.tracking_server import free_port, serving
from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from tests.voxsiam.orchestration.tracking.test_doors import ADMIN_SECRET, assert_nowhere
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.run_store import download_model
from voxsiam.orchestration.tracking.server import Login, TrackingServer
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam_dashboards.store.study_reading import load_study

BENCHMARK = REPOSITORY / "platform" / "benchmarks" / "tracking.py"


@pytest.fixture(scope="module")
def database():
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine")
    with postgres(programs) as running:
        yield running


def track_a_study(workspace):
    """Train one row for real and track it as a driver does."""
    plan = make_plan(workspace, rows=1)
    (trial,) = plan.trials
    trial.run.directory.mkdir(parents=True)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.run_started(trial)
    execute_run(
        trial.run, ToyCases(), SingleProcess(lambda record: tracker.epoch_done(trial, record))
    )
    tracker.run_ended(trial, "finished", None)
    tracker.ended("finished")
    assert tracker.waiting == 0
    return trial, tracker.parent


def assert_reads_back(uri, trial, parent, folder):
    """The report's reader finds scores, curves, cases and the picture; the model loads."""
    results = load_study(uri, parent)
    (found,) = results.trials
    assert results.notes == ()
    assert found.finished
    assert len(found.cases) == len(trial.run.split.test) * 8
    assert found.overlay is not None
    assert sorted(found.curve("train/loss")) == [1, 2, 3]
    copied = download_model(uri, found.run_id, folder / "copy")
    name = "model.safetensors"
    assert (copied / name).read_bytes() == (trial.run.directory / "model" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.postgres
def test_a_study_on_postgres_behind_a_login(database, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN_SECRET)
    served = {"store": database.uri_with_password, "login": Login(tmp_path / "login")}
    with serving(tmp_path, **served) as running:
        workspace = Workspace(tmp_path / "workspace")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", running.url)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not this one at all")
        with pytest.raises(UserError, match="refuses this login"):
            StudyTracker(workspace, parent_of_study(make_plan(workspace, rows=1)))
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN_SECRET)
        trial, parent = track_a_study(workspace)
        assert_reads_back(running.url, trial, parent, tmp_path)
        for secret in (database.password, ADMIN_SECRET):
            assert_nowhere(secret, running)
            assert_not_in_runs(secret, running.url, parent)


def assert_not_in_runs(secret, url, parent):
    client = MlflowClient(url)
    experiment = client.get_run(parent).info.experiment_id
    for run in client.search_runs([experiment]):
        assert secret not in json.dumps(run.to_dictionary())


@pytest.mark.slow
@pytest.mark.postgres
def test_the_password_comes_from_the_environment_alone(database, tmp_path):
    """The address names none: libpq reads PGPASSWORD."""
    environment = {"PGPASSWORD": database.password}
    with serving(tmp_path, store=database.uri, environment=environment) as running:
        assert running.answers("/api/2.0/mlflow/experiments/get?experiment_id=0") == 200
        assert_nowhere(database.password, running)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_wrong_password_is_said_at_once_and_not_printed(database, tmp_path, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    wrong = database.uri.replace("mlflow@", "mlflow:n0t-the-right-one@")
    server = TrackingServer(wrong, str(tmp_path), port=free_port())
    with pytest.raises(UserError, match="password authentication failed") as raised:
        server.check()
    assert "n0t-the-right-one" not in str(raised.value)
    monkeypatch.setenv("PGPASSWORD", database.password)
    replace(server, store=database.uri).check()


@pytest.mark.slow
def test_artifacts_in_object_storage_go_through_the_server_and_back(tmp_path, monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    try:
        place, port = storage.get_host_and_port()
        # Of the server alone: whoever trains needs no key of the storage.
        keys = {
            "MLFLOW_S3_ENDPOINT_URL": f"http://{place}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "s3cret-of-the-storage",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        s3 = boto3.client(
            "s3",
            endpoint_url=keys["MLFLOW_S3_ENDPOINT_URL"],
            region_name=keys["AWS_DEFAULT_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        s3.create_bucket(Bucket="voxsiam")
        with serving(tmp_path, artifacts="s3://voxsiam/lab", environment=keys) as running:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", running.url)
            trial, parent = track_a_study(Workspace(tmp_path / "workspace"))
            assert_reads_back(running.url, trial, parent, tmp_path)
            assert_nowhere("s3cret-of-the-storage", running)
        kept = [item["Key"] for item in s3.list_objects_v2(Bucket="voxsiam")["Contents"]]
        assert any(key.endswith("model/model.safetensors") for key in kept)
        assert all(key.startswith("lab/") for key in kept)
        assert not (tmp_path / "served-artifacts").exists()
    finally:
        storage.stop()


def write_at_once(environment, *options):
    """Run the benchmark's drivers; return what came of it."""
    run = subprocess.run(
        [sys.executable, str(BENCHMARK), "--json", *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.slow
def test_eight_writers_on_one_sqlite_file_lose_nothing(add_table):
    """All eight open a store that is not there yet."""
    found = write_at_once({"MLFLOW_TRACKING_URI": ""})
    add_table("Eight drivers on sqlite", tuple(found), [tuple(map(str, found.values()))])
    assert (found["writers"], found["epochs"]) == (8, 50)
    assert (found["errors"], found["left"], found["lost"]) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.postgres
def test_eight_writers_on_postgres_lose_nothing(database, tmp_path, add_table):
    environment = {"PGPASSWORD": database.password}
    with serving(tmp_path, store=database.uri, environment=environment) as running:
        found = write_at_once({"MLFLOW_TRACKING_URI": running.url})
    add_table("Eight drivers on PostgreSQL", tuple(found), [tuple(map(str, found.values()))])
    assert (found["writers"], found["epochs"]) == (8, 50)
    assert (found["errors"], found["left"], found["lost"]) == (0, 0, 0)
