"""The driver is killed at ten moments; what is resumed ends as if nothing had happened.

Run: pytest tests/integration/test_kills.py        (several minutes)
"""

import csv
import json
import re
import signal

import pytest
from mlflow.tracking import MlflowClient

from tests.integration.programs import prepared_scans
from voxsiam.orchestration.sweeps.ledger import find_sweeps
from voxsiam.orchestration.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

EPOCHS = 4
MOMENTS = (
    "trials to do",
    ": starting",
    ": epoch 1/4",
    ": starting",
    ": epoch 4/4",
    "trials to do",
    ": starting",
    ": epoch 1/4",
    ": finished",
    ": epoch 4/4",
)
"""What the driver has just said when it is killed; the last ones meet an almost finished study."""


def run_with_kills(program, command, moments):
    """Kill the driver at each moment that it still comes to; let the last one end."""
    kills = 0
    for moment in moments:
        process = program(*command)
        said = read_until_or_end(process, moment)
        process.kill()
        if process.wait() != -signal.SIGKILL:
            pytest.fail(f"it ended before {moment!r}:\n{said}")
        kills += 1
    last = program(*command)
    said = last.stdout.read()
    assert last.wait() == 0, said
    return kills


def read_until_or_end(process, moment):
    """Read up to the moment, or to any line where the study has passed it by."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if moment in line or ": finished" in line or "0 of" in line:
            break
    return "".join(seen)


def runs_of(workspace, kind):
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    return client, client.search_runs([experiment.experiment_id], f"tags.`voxsiam.kind` = '{kind}'")


def table_of(workspace, name):
    with (workspace.report(name) / "table.csv").open() as file:
        return list(csv.reader(file))


def test_a_study_survives_ten_kills(program, tmp_path):
    data = prepared_scans(program, tmp_path)
    command = ("study", "run", "table3", "--preset", "tiny", "--set", f"epochs={EPOCHS}", *data)
    assert run_with_kills(program, command, MOMENTS) == 10
    whole = program(*command, workspace="unbroken")
    said = whole.stdout.read()
    assert whole.wait() == 0, said

    killed = Workspace(tmp_path / "w")
    client, trials = runs_of(killed, "trial")
    assert len(trials) == 3
    assert len(runs_of(killed, "study")[1]) == 1
    for run in trials:
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert {metric.step for metric in history} == set(range(1, EPOCHS + 1))
    assert table_of(killed, "table3") == table_of(Workspace(tmp_path / "unbroken"), "table3")


def test_a_sweep_survives_ten_kills(program, tmp_path):
    data = prepared_scans(program, tmp_path)
    command = ("sweep", "run", "lambda", "--preset", "tiny", "--trials", "5", "--no-stop-early")
    command += ("--set", f"epochs={EPOCHS}", *data)
    moments = tuple(moment.replace("trials to do", "trials done") for moment in MOMENTS)
    assert run_with_kills(program, command, moments) == 10
    whole = program(*command, workspace="unbroken")
    said = whole.stdout.read()
    assert whole.wait() == 0, said

    (killed,), (unbroken,) = (find_sweeps(Workspace(tmp_path / name)) for name in ("w", "unbroken"))
    assert [plain(trial) for trial in killed.trials] == [plain(t) for t in unbroken.trials]
    workspace = Workspace(tmp_path / "w")
    _, trials = runs_of(workspace, "trial")
    rows = sorted(run.data.tags["voxsiam.row"] for run in trials)
    searched = [row for row in rows if re.fullmatch(r"trial \d", row)]
    assert searched == [f"trial {number}" for number in range(5)]
    assert {run.info.status for run in trials} == {"FINISHED"}
    assert len(runs_of(workspace, "sweep")[1]) == 1
    assert table_of_sweep(workspace) == table_of_sweep(Workspace(tmp_path / "unbroken"))


def plain(trial):
    """A trial without what depends on the clock."""
    return (
        trial.number,
        trial.values,
        trial.seeds,
        trial.state,
        trial.curve,
        trial.objectives["dsc"],
    )


def table_of_sweep(workspace):
    told = json.loads((workspace.report("sweep-lambda") / "trials.json").read_text())
    return told["best"], [(t["values"], t["curve"]) for t in told["trials"]]
