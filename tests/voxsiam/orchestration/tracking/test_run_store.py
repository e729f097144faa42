import logging

import pytest
from mlflow.tracking import MlflowClient

from voxsiam.orchestration.tracking.run_store import keep_report


@pytest.fixture
def report(tmp_path):
    folder = tmp_path / "report-to-keep"
    (folder / "pictures").mkdir(parents=True)
    (folder / "index.html").write_text("<p>0.806</p>")
    (folder / "pictures" / "overlays.png").write_bytes(b"PNG")
    return folder


@pytest.fixture
def study(tmp_path):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("voxsiam", str(tmp_path / "artifacts"))
    return uri, client, client.create_run(experiment).info.run_id


def test_the_report_lies_in_the_studys_run_and_is_replaced(report, study, tmp_path):
    uri, _, run = study
    keep_report(uri, run, report)
    (report / "index.html").write_text("<p>0.807</p>")
    keep_report(uri, run, report)
    kept = tmp_path / "artifacts" / run / "artifacts" / "report"
    assert (kept / "index.html").read_text() == "<p>0.807</p>"
    assert (kept / "pictures" / "overlays.png").read_bytes() == b"PNG"


def test_without_its_tracking_the_report_stands(report, study, tmp_path, caplog):
    uri, _, run = study
    keep_report(uri, "0" * 32, report)
    # Where the artifacts should go lies a file: nothing can be written there.
    (tmp_path / "artifacts").write_text("")
    keep_report(uri, run, report)
    assert [record.message[:34] for record in caplog.records] == [
        "the report is not kept in MLflow, "
    ] * 2
    assert (report / "index.html").exists()
