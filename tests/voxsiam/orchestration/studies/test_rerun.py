import pytest

from tests.voxsiam.orchestration.toy_study import Recorder, ToyCases, make_run
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.runs.manifest import TOLERANCE, compare_runs, hash_results, read_manifest
from voxsiam.orchestration.studies.tune_run import open_rerun, rerun_threads, run_study
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A workspace and the finished run in it."""
    workspace = Workspace(tmp_path_factory.mktemp("w"))
    run = make_run(workspace, epochs=2)
    execute_run(run, ToyCases(), SingleProcess(lambda _: None))
    return workspace, run


@pytest.fixture
def manifest(first):
    return read_manifest(first[1].manifest_file)


def changed(manifest, **changes):
    return manifest.model_copy(update=changes)


def test_a_run_trained_again_is_the_same_and_the_first_is_left_alone(
    ray_instance, first, manifest, tmp_path
):
    workspace, run = first
    before = hash_results(run.directory)
    home, ledger = open_rerun(manifest, tmp_path, workspace)
    recorder, capacity = Recorder(), Capacity.of_cluster()
    threads = rerun_threads(manifest, capacity)
    assert not run_study(ledger, ToyCases(), home, capacity, [recorder], threads)
    (trial,) = ledger.plan.trials
    again = read_manifest(trial.run.manifest_file)
    assert trial.run.directory.is_relative_to(workspace.root / "reruns")
    assert again.environment.threads == manifest.environment.threads
    assert compare_runs(manifest, again).verdict == "same"
    assert hash_results(run.directory) == before
    assert recorder.epochs == [1, 2]
    # The next one is trained anew, elsewhere.
    assert open_rerun(manifest, tmp_path, workspace)[0].root != home.root


def test_an_interrupted_one_is_gone_on_with(manifest, tmp_path):
    workspace = Workspace(tmp_path / "w")
    home, ledger = open_rerun(manifest, tmp_path, workspace)
    again, same_ledger = open_rerun(manifest, tmp_path, workspace)
    assert again.root == home.root
    assert same_ledger.plan == ledger.plan


def test_equal_files_and_an_equal_loss_are_the_same(manifest):
    found = compare_runs(manifest, manifest)
    assert (found.verdict, found.largest, found.largest_of) == ("same", 0, None)
    assert found.reasons == ()


def test_speed_and_memory_are_not_compared(manifest):
    record = manifest.last_record | {"seconds/epoch": 1e6, "memory/peak": 1e9}
    assert compare_runs(manifest, changed(manifest, last_record=record)).verdict == "same"


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(TOLERANCE / 2, "within tolerance"), (TOLERANCE * 2, "different")],
)
@pytest.mark.parametrize("side", ["loss", "score"])
def test_a_difference_is_judged_by_the_bound(manifest, difference, verdict, side):
    record, summary = dict(manifest.last_record), dict(manifest.summary)
    files = {**manifest.files, "cases.csv": "0" * 64}
    figures, name = (record, "train/loss") if side == "loss" else (summary, "dsc")
    figures[name] += difference * max(1, abs(figures[name]))
    again = changed(manifest, last_record=record, summary=summary, files=files)
    found = compare_runs(manifest, again)
    assert found.verdict == verdict
    assert found.largest == pytest.approx(difference, rel=1e-3)
    assert name in (found.largest_of or "")
    assert "cases.csv has other bytes" in found.reasons


def test_an_equal_table_with_another_loss_is_not_the_same(manifest):
    record = manifest.last_record | {"train/loss": manifest.last_record["train/loss"] + 1}
    assert compare_runs(manifest, changed(manifest, last_record=record)).verdict == "different"


def test_a_missing_figure_is_different(manifest):
    summary = {name: value for name, value in manifest.summary.items() if name != "dsc"}
    again = changed(manifest, summary=summary, files={})
    assert compare_runs(manifest, again).verdict == "different"


def test_what_was_otherwise_is_named(manifest):
    environment = manifest.environment.model_copy(update={"device": "a GPU"})
    found = compare_runs(manifest, changed(manifest, environment=environment))
    assert found.reasons == ("device: a GPU, was cpu",)
