"""A workspace that was moved or copied is itself: nothing is read from or written elsewhere."""

import json
import multiprocessing
import shlex
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.voxsiam.orchestration.toy_study import make_plan
from tests.voxsiam.orchestration.toy_sweep import make_sweep
from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger, find_ledgers
from voxsiam.orchestration.sweeps.ledger import SweepLedger, find_sweeps
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
from voxsiam.orchestration.tracking.outbox import Event, outbox_of
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam.orchestration.tracking.store import (
    experiment_of,
    open_client,
    open_for_writing,
    without_stray_folder,
)
from voxsiam.orchestration.workspace import Workspace, sqlite_address, sqlite_file

NAMES = ["plain", "with space", "Bäuche", "a?b", "a#b", "a%41b", "k o?p#ü%41"]


def sums(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_an_address_means_its_file_and_leaves_no_other(tmp_path, name):
    file = tmp_path / name / "mlflow.db"
    file.parent.mkdir()
    assert sqlite_file(sqlite_address(file)) == file
    open_client(sqlite_address(file)).create_experiment("x")
    assert file.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_addresses_of_other_stores_name_no_file():
    assert sqlite_file("http://127.0.0.1:5000") is None
    assert sqlite_file("postgresql://u@h/db") is None


def test_a_ledger_finds_its_runs_and_data_where_the_workspace_lies_now(tmp_path):
    home = Workspace(tmp_path / "before")
    plan = make_plan(home)
    write_json(plan.trials[0].run.result_file, {})
    path = Ledger.create(home, plan).path
    assert str(tmp_path) not in path.read_text()
    home.root.rename(tmp_path / "after")
    moved = Workspace(tmp_path / "after")
    (ledger,) = find_ledgers(moved)
    assert ledger.plan.prepared == moved.root / "prepared"
    assert [t.run.directory for t in ledger.plan.trials] == [
        moved.run(trial.run.run_id) for trial in plan.trials
    ]
    assert ledger.finished() == [ledger.plan.trials[0]]
    ledger.mark(ledger.plan.trials[1], "failed")
    assert not (tmp_path / "before").exists()


def test_a_ledger_that_kept_whole_paths_is_read_where_it_lies(tmp_path):
    """As version 0.1.0 wrote it; a copy must not see the original's results."""
    home = Workspace(tmp_path / "original")
    plan = make_plan(home)
    path = Ledger.create(home, plan).path
    content = json.loads(path.read_text()) | {"plan": plan.model_dump(mode="json")}
    path.write_text(json.dumps(content))
    write_json(plan.trials[0].run.result_file, {})
    shutil.copytree(home.root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/runs")
    (ledger,) = find_ledgers(Workspace(tmp_path / "copy"))
    assert ledger.finished() == []
    assert ledger.plan.prepared == tmp_path / "copy/prepared"
    (original,) = find_ledgers(home)
    assert original.plan == plan


def test_data_outside_of_the_workspace_stay_where_they_are(tmp_path):
    home = Workspace(tmp_path / "before")
    outside = tmp_path / "data/cache/prepared"
    outside.mkdir(parents=True)
    Ledger.create(home, make_plan(home).model_copy(update={"prepared": outside}))
    sweep = make_sweep().model_copy(update={"prepared": outside})
    SweepLedger.create(home, sweep, Budget(trials=1))
    home.root.rename(tmp_path / "after")
    moved = Workspace(tmp_path / "after")
    assert find_ledgers(moved)[0].plan.prepared == outside
    assert find_sweeps(moved)[0].plan.prepared == outside


@pytest.mark.parametrize("whole", [False, True])
def test_a_sweep_finds_its_own_data(tmp_path, whole):
    home = Workspace(tmp_path / "before")
    prepared = home.cache / "prepared-6"
    prepared.mkdir(parents=True)
    plan = make_sweep().model_copy(update={"prepared": prepared})
    folder = SweepLedger.create(home, plan, Budget(trials=1)).folder
    assert str(tmp_path) not in (folder / "plan.json").read_text()
    if whole:
        write_json(folder / "plan.json", plan.model_dump(mode="json"))
    home.root.rename(tmp_path / "after")
    (found,) = find_sweeps(Workspace(tmp_path / "after"))
    assert found.plan.prepared == tmp_path / "after/cache/prepared-6"


@pytest.fixture
def tracked(tmp_path):
    """A workspace with a run that has an artifact, and a copy where the artifact is another."""
    home = Workspace(tmp_path / "original")
    client = open_for_writing(home)
    run = client.create_run(experiment_of(client, home))
    client.log_text(run.info.run_id, "original", "test/note.txt")
    shutil.copytree(home.root, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    (copy.artifacts / run.info.run_id / "artifacts/test/note.txt").write_text("copy")
    return home, copy, run.info.run_id


def texts(workspace, run_id):
    reader = RunReader(workspace.tracking_uri)
    run = reader.find(run_id)
    assert run is not None
    through_store = RunStore(workspace.tracking_uri).read(run_id, "test/note.txt", Path.read_text)
    assert reader.files(run, "test") == {"test/note.txt"}
    return reader.read(run, "test/note.txt", Path.read_text), through_store


def test_a_copy_reads_its_own_artifacts(tracked):
    home, copy, run_id = tracked
    assert texts(copy, run_id) == ("copy", "copy")
    assert texts(home, run_id) == ("original", "original")
    shutil.rmtree(copy.artifacts / run_id)
    notes = []
    reader = RunReader(copy.tracking_uri)
    run = reader.find(run_id)
    assert run is not None
    assert reader.read(run, "test/note.txt", Path.read_text, notes) is None
    assert "cannot be fetched" in notes[0]


def write_into(root, run_id):
    workspace = Workspace(root)
    client = open_for_writing(workspace)
    client.log_text(run_id, "more", "test/more.txt")
    added = client.create_run(experiment_of(client, workspace))
    client.log_text(added.info.run_id, "new", "new.txt")
    return added.info.run_id


def test_a_copy_writes_nothing_into_the_original(tracked):
    home, copy, run_id = tracked
    before = sums(home.root)
    # In a process of its own: MLflow remembers where a run's artifacts lay.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        added = pool.submit(write_into, copy.root, run_id).result(timeout=120)
    assert sums(home.root) == before
    assert (copy.artifacts / run_id / "artifacts/test/more.txt").read_text() == "more"
    assert (copy.artifacts / added / "artifacts/new.txt").is_file()


def test_the_database_is_claimed_once_and_only_where_it_is(tracked, tmp_path):
    home, copy, run_id = tracked
    assert claim_artifacts(copy.tracking_uri)
    assert not claim_artifacts(copy.tracking_uri)
    assert not claim_artifacts(home.tracking_uri)
    run = RunReader(copy.tracking_uri).find(run_id)
    assert run is not None
    assert run.info.artifact_uri == (copy.artifacts / run_id / "artifacts").as_uri()
    empty = Workspace(tmp_path / "empty")
    empty.artifacts.mkdir()
    assert not claim_artifacts(empty.tracking_uri)
    assert list(empty.root.iterdir()) == [empty.artifacts]
    assert not claim_artifacts("http://127.0.0.1:1")


def test_a_workspace_that_is_only_looked_at_is_not_touched(tmp_path):
    home = Workspace(tmp_path / "home")
    plan = make_plan(home)
    Ledger.create(home, plan)
    before = home.root.stat().st_mtime_ns
    assert find_ledgers(Workspace(home.root, may_write=False))[0].plan == plan
    assert home.root.stat().st_mtime_ns == before


def test_a_workspace_that_is_not_there_is_not_made_to_be_looked_at(tmp_path):
    with pytest.raises(UserError, match="there is no workspace here") as refused:
        Workspace(tmp_path / "nowhere", may_write=False)
    assert refused.value.where == f"looked for {tmp_path / 'nowhere'}"
    assert list(tmp_path.iterdir()) == []


def test_what_waits_for_mlflow_is_told_of_the_runs_of_the_moved_workspace(tmp_path):
    home = Workspace(tmp_path / "before")
    plan = make_plan(home)
    job = parent_of_study(plan)
    outbox_of(home, job).add(Event(kind="start", time_ms=1, trial=plan.trials[0]))
    home.root.rename(tmp_path / "after")
    moved = Workspace(tmp_path / "after")
    (event,) = outbox_of(moved, job).read()
    assert event.trial is not None
    assert event.trial.run.directory == moved.run(plan.trials[0].run.run_id)


def test_a_finished_trial_whose_result_is_gone_is_lost_not_finished(tmp_path):
    """Where only a part of the workspace was copied."""
    home = Workspace(tmp_path / "w")
    plan = make_plan(home)
    ledger = Ledger.create(home, plan)
    for trial in plan.trials:
        write_json(trial.run.result_file, {})
        ledger.mark(trial, "finished")
    shutil.rmtree(plan.trials[0].run.directory)
    (again,) = find_ledgers(home)
    assert [again.state(trial) for trial in plan.trials] == ["lost", "finished", "finished"]
    assert again.unfinished() == [plan.trials[0]]


def test_a_stray_folder_is_removed_but_never_one_that_was_there_or_holds_something(tmp_path):
    file = tmp_path / "a?b" / "mlflow.db"
    stray = tmp_path / "a%3Fb"
    with without_stray_folder(sqlite_address(file)):
        stray.mkdir()
    assert not stray.exists()
    with without_stray_folder(sqlite_address(file)):
        stray.mkdir()
        (stray / "somebody's").touch()
    assert (stray / "somebody's").exists()
    (stray / "somebody's").unlink()
    with without_stray_folder(sqlite_address(file)):
        pass
    assert stray.is_dir()
    with without_stray_folder("http://127.0.0.1:1"):
        pass


def test_commands_that_are_told_can_be_copied_into_a_shell(tmp_path):
    home = Workspace(tmp_path / "k o?p#ü%41")
    told = f"voxsiam study resume ID --workspace {home.quoted}"
    assert shlex.split(told)[-1] == str(home.root)
