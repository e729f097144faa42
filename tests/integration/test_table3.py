"""The whole way as a user goes it: volumes, study, interruptions, resume, report."""

import json
import re
import signal

import pytest
from mlflow.tracking import MlflowClient

from tests.integration.programs import prepared_scans, read_until
from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.workspace import Workspace


@pytest.mark.parametrize(
    ("data", "twice"),
    [(prepared_scans, False), pytest.param(lambda *_: (), True, marks=pytest.mark.slow)],
    ids=["scans", "phantoms of its own, and whatever can be done twice"],
)
def test_interrupted_killed_and_resumed_it_ends_as_one_study(program, tmp_path, data, twice):
    workspace = Workspace(tmp_path / "w")
    # Longer than tiny, so that an interruption finds something to interrupt.
    study = ("study", "run", "table3", "--preset", "tiny", "--set", "epochs=4")
    study += data(program, tmp_path)
    first = program(*study)
    read_until(first, "epoch 1/4")
    first.send_signal(signal.SIGINT)
    said = first.stdout.read()
    assert first.wait() == 130
    assert re.search(r"voxsiam study resume table3-tiny-\w+ --workspace", said)

    if twice:
        terminated = program("study", "resume", "table3")
        read_until(terminated, ": starting")
        terminated.send_signal(signal.SIGTERM)
        said = terminated.stdout.read()
        assert terminated.wait() == 143, said
        assert re.search(r"voxsiam study resume table3-tiny-\w+ --workspace", said)

    second = program("study", "resume", "table3")
    read_until(second, ": finished")
    second.kill()
    assert second.wait() == -signal.SIGKILL
    (ledger,) = find_ledgers(workspace)
    finished = [
        trial.run.result_file for trial in ledger.plan.trials if trial.run.result_file.exists()
    ]
    assert finished
    written = {path: path.stat().st_mtime_ns for path in finished}

    third = program("study", "resume", "table3")
    said = third.stdout.read()
    assert third.wait() == 0, said
    assert {path: path.stat().st_mtime_ns for path in finished} == written
    assert_one_whole_study(workspace)
    assert_report(workspace.report("table3"), said)

    status = program("study", "status", "--json")
    states = json.loads(status.stdout.read())
    (trials,) = states.values()
    assert {trial["state"] for trial in trials} == {"finished"}

    if twice:
        again = program(*study)
        said = again.stdout.read()
        assert again.wait() == 0, said
        assert "0 of 3 trials to do" in said
        assert {path: path.stat().st_mtime_ns for path in finished} == written


def assert_one_whole_study(workspace):
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    kinds = [run.data.tags["voxsiam.kind"] for run in runs]
    assert (kinds.count("study"), kinds.count("trial")) == (1, 3)
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        if run.data.tags["voxsiam.kind"] == "trial":
            history = client.get_metric_history(run.info.run_id, "train/loss")
            assert {metric.step for metric in history} == {1, 2, 3, 4}


def assert_report(folder, said):
    names = {"index.html", "table.csv", "table.md", "table.tex", "table.json"}
    assert names <= {path.name for path in folder.iterdir()}
    page = (folder / "index.html").read_text()
    assert "0.806" in page
    assert "feature (3)" in page
    assert str(folder.resolve() / "index.html") in said
    assert "0.806" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("study", "run", "tabel3"), "did you mean 'table3'"),
        (("study", "run", "table3", "--preset", "minni"), "did you mean 'mini'"),
        (("study", "run", "table3", "--pressure", "1"), "No such option"),
        (("study", "run", "table3", "--data", "nowhere", "--preset", "tiny"), "data prepare"),
        (("study", "run", "table3", "--preset", "paper"), "needs data"),
        (("study", "run", "table3", "--preset", "tiny", "--workers", "9"), "fewer --workers"),
        (("study", "resume", "table3"), "voxsiam demo"),
        (("data", "prepare", "nowhere", "-o", "out"), "nowhere"),
        (("data", "prepare", "nowhere", "-o", "out", "--grid", "big"), "128x128x64"),
    ],
)
def test_bad_input_is_refused_in_three_lines(program, arguments, words):
    process = program(*arguments)
    said = process.stdout.read()
    assert process.wait() == 2, said
    what, where, fix = said.strip().splitlines()[-3:]
    assert what.startswith("error: ")
    assert where.startswith("  where: ")
    assert fix.startswith("  fix:   ")
    assert words in said
    assert "Traceback" not in said
