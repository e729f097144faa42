"""F13: Ctrl-C and SIGTERM end a study in time; it goes on from its checkpoints as if unbroken."""

import csv
import random
import re
import signal
import time

import pytest
from mlflow.tracking import MlflowClient

from tests.integration.programs import prepared_scans
from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.checkpoint import CheckpointFolder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

EPOCHS, NOTICE_S = 6, 30
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def table_of(workspace):
    with (workspace.report("table3") / "table.csv").open() as file:
        return list(csv.reader(file))


def told_epochs(said):
    """Return for each trial the last epoch that the program has told."""
    return {m[1]: int(m[2]) for m in re.finditer(r"\] (.+): epoch (\d+)/", said)}


def statuses(workspace):
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    kinds = [(run.data.tags["voxsiam.kind"], run.info.status) for run in runs]
    return sorted(set(kinds)), len(kinds)


def test_a_stopped_study_leaves_its_checkpoints_in_time_and_goes_on(
    program, tmp_path, full_counts, measured
):
    data = prepared_scans(program, tmp_path)
    command = ("study", "run", "table3", "--preset", "tiny", "--set", f"epochs={EPOCHS}", *data)
    whole = program(*command, workspace="unbroken")
    said = whole.stdout.read()
    assert whole.wait() == 0, said
    expected = table_of(Workspace(tmp_path / "unbroken"))
    for number in range(10 if full_counts else 2):
        sent = (signal.SIGINT, signal.SIGTERM)[number % 2]
        moment = f"epoch {random.Random(number).randint(1, EPOCHS - 1)}/"
        workspace = Workspace(tmp_path / f"w{number}")
        process = program(*command, workspace=f"w{number}")
        said = ""
        for line in process.stdout:
            said += line
            if moment in line:
                break
        process.send_signal(sent)
        at = time.monotonic()
        said += process.stdout.read()
        assert process.wait() == CODES[sent], said
        took = time.monotonic() - at
        assert took < NOTICE_S
        (ledger,) = find_ledgers(workspace)
        for trial in ledger.plan.trials:
            found = CheckpointFolder(trial.run.checkpoints).newest(trial.run.run_id)
            kept = found[1].epochs_done if found else 0
            assert kept >= told_epochs(said).get(trial.name, 0)
        kinds, _ = statuses(workspace)
        assert ("study", "KILLED") in kinds
        assert {status for _, status in kinds} <= {"KILLED", "FINISHED"}

        again = program("study", "resume", "table3", workspace=f"w{number}")
        more = again.stdout.read()
        assert again.wait() == 0, more
        assert table_of(workspace) == expected
        assert statuses(workspace) == ([("study", "FINISHED"), ("trial", "FINISHED")], 4)
        measured(signal=sent.name, at=moment, ended_after_s=round(took, 1), runs_twice=0)
