"""One run on two workers, without Ray: what it leaves is what one worker leaves."""

import gc
from pathlib import Path

import numpy as np

from tests.voxsiam.orchestration.toy_study import ToyCases, make_run
from tests.voxsiam.training.gloo import GlooWorker, group, run_ranks
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam_dashboards.store.trial_files import read_cases


def execute_on_rank(rank, world_size, folder):
    with group(rank, world_size, folder):
        run = make_run(Workspace(Path(folder)), epochs=1)
        execute_run(run, ToyCases(), GlooWorker(rank, world_size, lambda _: None))
        # DDP's module lies in a cycle; left to the interpreter's end, its threads abort it.
        gc.collect()


def features_of(run):
    with np.load(run.directory / "features.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_two_workers_keep_what_one_keeps_in_the_same_order(tmp_path):
    alone = make_run(Workspace(tmp_path / "alone"), epochs=1)
    execute_run(alone, ToyCases(), SingleProcess(lambda _: None))
    run_ranks(execute_on_rank, 2, 2, str(tmp_path))
    shared = make_run(Workspace(tmp_path), epochs=1)
    expected, found = features_of(alone), features_of(shared)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        if name.endswith("features"):
            np.testing.assert_allclose(found[name], array, rtol=0.05, atol=0.05)
        else:
            np.testing.assert_array_equal(found[name], array)
    tables = (read_cases(run.directory / "cases.csv") for run in (alone, shared))
    columns = ["case_id", "organ", "reference_voxels"]
    first, second = (table[columns].values.tolist() for table in tables)
    assert first == second


def execute_with_a_view_of_its_own(rank, world_size, folder):
    """The second rank's view of the run's folder holds a result that the first one does not see."""
    with group(rank, world_size, folder):
        run = make_run(Workspace(Path(folder)), epochs=1)
        if rank == 1:
            view = Path(folder) / "view"
            view.mkdir()
            (view / run.result_file.name).write_text("{}")
            run = run.model_copy(update={"directory": view})
        execute_run(run, ToyCases(), GlooWorker(rank, world_size, lambda _: None))
        gc.collect()


def test_whether_a_run_is_finished_is_for_the_first_rank_to_say(tmp_path):
    """Else one rank would leave, and the other wait for it."""
    run_ranks(execute_with_a_view_of_its_own, 2, 2, str(tmp_path))
    assert make_run(Workspace(tmp_path), epochs=1).result_file.exists()
