import json
import multiprocessing

import pytest

from tests.voxsiam.orchestration.toy_study import make_plan, make_run
from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import run_identity
from voxsiam.orchestration.studies.ledger import Ledger, find_ledgers
from voxsiam.orchestration.workspace import Workspace
from voxsiam.types import Split


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_states_outlive_the_process(workspace):
    plan = make_plan(workspace)
    Ledger.create(workspace, plan).mark(plan.trials[0], "running")
    reopened = Ledger.create(workspace, plan)
    assert reopened.plan == plan
    assert [reopened.state(trial) for trial in plan.trials] == ["running", "pending", "pending"]


def test_a_result_on_disk_outweighs_the_ledger(workspace):
    plan = make_plan(workspace)
    ledger = Ledger.create(workspace, plan)
    ledger.mark(plan.trials[1], "running")
    write_json(plan.trials[1].run.result_file, {})
    assert ledger.state(plan.trials[1]) == "finished"
    assert ledger.unfinished() == [plan.trials[0], plan.trials[2]]


def test_a_finished_run_whose_result_is_gone_is_lost_and_done_again(workspace):
    plan = make_plan(workspace)
    ledger = Ledger.create(workspace, plan)
    for trial in plan.trials:
        write_json(trial.run.result_file, {})
        ledger.mark(trial, "finished")
    plan.trials[1].run.result_file.unlink()
    assert [ledger.state(trial) for trial in plan.trials] == ["finished", "lost", "finished"]
    assert ledger.unfinished() == [plan.trials[1]]


def test_a_row_that_shares_a_failed_run_is_not_finished(workspace):
    """The run is trained for one of the rows, so it fails for one of them alone."""
    plan = make_plan(workspace)
    shared = plan.trials[0].model_copy(update={"row": "the same cases"})
    ledger = Ledger.create(workspace, plan.model_copy(update={"trials": (*plan.trials, shared)}))
    ledger.mark(plan.trials[0], "failed")
    write_json(plan.trials[1].run.result_file, {})
    assert ledger.finished() == [plan.trials[1]]
    assert shared in ledger.unfinished()


def hold(plan_json, root, holding, release):
    ledger = Ledger.create(
        Workspace(root), type(make_plan(Workspace(root))).model_validate_json(plan_json)
    )
    with ledger.held():
        holding.set()
        release.wait()


def test_a_second_driver_is_refused_until_the_first_is_gone(workspace):
    plan = make_plan(workspace)
    ledger = Ledger.create(workspace, plan)
    context = multiprocessing.get_context("spawn")
    holding, release = context.Event(), context.Event()
    other = context.Process(
        target=hold, args=(plan.model_dump_json(), workspace.root, holding, release)
    )
    other.start()
    try:
        assert holding.wait(timeout=60)
        with pytest.raises(UserError, match="another process"), ledger.held():
            pass
    finally:
        other.kill()
        other.join()
    with ledger.held():
        pass


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 9, "plan": {}, "states": {}}'])
def test_a_spoiled_ledger_is_refused(workspace, content):
    path = Ledger.create(workspace, make_plan(workspace)).path
    path.write_text(content)
    with pytest.raises(UserError, match="ledger cannot be read"):
        find_ledgers(workspace)


def test_the_identity_of_a_run_knows_all_that_matters(workspace):
    run = make_run(workspace)
    split = Split(train=run.split.train[:-1], validation=run.split.validation, test=run.split.test)
    changed = [
        run_identity(run.recipe.with_changes(epochs=9), run.seed, run.split, "toy"),
        run_identity(run.recipe, 1, run.split, "toy"),
        run_identity(run.recipe, run.seed, split, "toy"),
        run_identity(run.recipe, run.seed, run.split, "other"),
    ]
    assert len({run.run_id, *changed}) == 5
    reordered = Split(
        train=run.split.train[::-1], validation=run.split.validation, test=run.split.test
    )
    assert run_identity(run.recipe, run.seed, reordered, "toy") == run.run_id


def test_a_json_file_is_replaced_whole(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_an_unwritable_workspace_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        Workspace(tmp_path / "file" / "inside")
