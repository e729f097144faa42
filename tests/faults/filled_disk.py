"""A prepared set and MLflow's store on a disk without room; run by test_full_disk.py.

Run: python -m tests.faults.filled_disk cache|tracking FOLDER ROOM
(prints a JSON object; FOLDER/disk is the disk, ROOM bytes are left on it)
"""

import json
import sys
from pathlib import Path

import torch
from mlflow.tracking import MlflowClient

from tests.faults.small_disk import full
from tests.small_data_sets import SMALL, write_case_folders
from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam_data.prepared.case_task import CaseReady, CaseRefused, CaseRequest, prepare_case
from voxsiam_data.prepared.entries import damaged_file
from voxsiam_data.sources.detect import read_source


def cache(folder: Path, room: int) -> dict:
    """The second case of a data set finds no room in the prepared set; the third has some."""
    source = read_source(write_case_folders(folder / "source"))
    volumes = folder / "disk" / "volumes"
    volumes.mkdir(parents=True)
    requests = [
        CaseRequest(case_id=c.case_id, image=c.image, label=c.label, config=SMALL, volumes=volumes)
        for c in source.cases
        if c.image is not None
    ]
    first = prepare_case(requests[0])
    with full(folder / "disk", room):
        refused = prepare_case(requests[1])
        left = sorted(path.name for path in volumes.iterdir())
    assert isinstance(first, CaseReady)
    assert isinstance(refused, CaseRefused)
    sound = damaged_file(volumes / first.key) is None
    after = [prepare_case(request) for request in requests]
    keys = sorted(each.key for each in after if isinstance(each, CaseReady))
    whole = all(damaged_file(volumes / key) is None for key in keys)
    all_there = len(keys) == 3 and keys == sorted(path.name for path in volumes.iterdir())
    return {
        "told": refused.what, "where": refused.where, "fix": refused.fix,
        "left": left, "first": first.key, "sound": sound, "equal": whole and all_there,
    }  # fmt: skip


def tracking(folder: Path, room: int) -> dict:
    """A run is trained elsewhere; its figures and files find no room in MLflow's store."""
    disk = folder / "disk"
    workspace = Workspace(disk / "workspace")
    plan = make_plan(Workspace(folder / "elsewhere"), rows=1)
    (trial,) = plan.trials
    tracker = StudyTracker(workspace, parent_of_study(plan))
    trial.run.directory.mkdir(parents=True)
    records = []
    execute_run(trial.run, ToyCases(), SingleProcess(records.append, torch.device("cpu")))
    with full(disk, room):
        tracker.run_started(trial)
        for record in records:
            tracker.epoch_done(trial, record)
        tracker.run_ended(trial, "finished", None)
    tracker.complete_finished([trial])
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_run(tracker.parent).info.experiment_id
    runs = [
        run for run in client.search_runs([experiment]) if run.data.tags["voxsiam.kind"] == "trial"
    ]
    (run,) = runs
    history = client.get_metric_history(run.info.run_id, "train/loss")
    files = {
        file.path: file.file_size == (trial.run.directory / Path(file.path).name).stat().st_size
        for file in client.list_artifacts(run.info.run_id, "test")
    }
    return {
        "status": run.info.status, "runs": len(runs), "files": files,
        "equal": sorted(m.step for m in history) == [1, 2, 3]
        and {m.value for m in history} == {record["train/loss"] for record in records},
    }  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    job = {"cache": cache, "tracking": tracking}[sys.argv[1]]
    outcome = job(Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(outcome) + "\n")
