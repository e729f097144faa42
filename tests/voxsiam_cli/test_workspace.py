"""A workspace of version 0.1.0, or a moved one, written anew where it lies."""

import json
import shutil

import pytest

from tests.voxsiam.orchestration.toy_study import make_plan
from tests.voxsiam.orchestration.toy_sweep import make_sweep
from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.orchestration.tracking.store import experiment_of, open_for_writing
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.app import app


@pytest.fixture
def copied(tmp_path):
    """A workspace as 0.1.0 left it, and a copy of it."""
    home = Workspace(tmp_path / "original")
    plan = make_plan(home)
    path = Ledger.create(home, plan).path
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"plan": plan.model_dump(mode="json")})
    )
    write_json(plan.trials[0].run.result_file, {})
    prepared = home.cache / "prepared-6"
    prepared.mkdir(parents=True)
    sweep = make_sweep().model_copy(update={"prepared": prepared})
    folder = SweepLedger.create(home, sweep, Budget(trials=1)).folder
    write_json(folder / "plan.json", sweep.model_dump(mode="json"))
    client = open_for_writing(home)
    run = client.create_run(experiment_of(client, home))
    client.log_text(run.info.run_id, "text", "note.txt")
    write_json(home.reports / "table3" / "table.json", {"study": {"study_id": "table3-toy"}})
    shutil.copytree(home.root, tmp_path / "copy")
    return home, Workspace(tmp_path / "copy")


def repair(workspace, *options):
    command = ["workspace", "repair", "-w", str(workspace.root), *options]
    return app(command, standalone_mode=False)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_everything_names_the_copy_afterwards_and_the_original_is_untouched(copied, capsys):
    home, copy = copied
    before = contents(home.root)
    repair(copy)
    said = capsys.readouterr().out
    assert f"workspace: {copy.root}" in said
    for line in (
        "studies/table3-toy/ledger.json", "sweeps/lambda-toy/plan.json", "mlflow.db",
        "reports/table3 (now reports/table3-toy)",
    ):  # fmt: skip
        assert f"rewritten: {line}" in said
    assert contents(home.root) == before
    for content in contents(copy.root).values():
        assert str(home.root).encode() not in content
    assert (copy.report("table3-toy") / "table.json").is_file()
    repair(copy)
    assert "nothing to repair" in capsys.readouterr().out


def test_a_dry_run_says_the_same_and_changes_nothing(copied, capsys):
    _, copy = copied
    before = contents(copy.root)
    repair(copy, "--dry-run")
    said = capsys.readouterr().out
    assert said.count("would be rewritten: ") == 4
    assert contents(copy.root) == before


def test_a_new_workspace_needs_no_repair(tmp_path, capsys):
    home = Workspace(tmp_path / "w")
    Ledger.create(home, make_plan(home))
    client = open_for_writing(home)
    experiment_of(client, home)
    before = contents(home.root)
    repair(home)
    assert "nothing to repair" in capsys.readouterr().out
    assert contents(home.root) == before


def test_what_cannot_be_read_is_named_and_left_and_the_rest_is_repaired(copied, capsys):
    _, copy = copied
    damaged = copy.study("damaged") / "ledger.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    assert repair(copy) == 1
    said = capsys.readouterr().out
    assert f"cannot be read: {damaged}" in said
    assert "rewritten: studies/table3-toy/ledger.json" in said
    assert damaged.read_text() == "{"


def test_a_workspace_that_is_not_there_is_not_made(tmp_path):
    command = ["workspace", "repair", "-w", str(tmp_path / "none")]
    with pytest.raises(UserError, match="there is no workspace here") as caught:
        app(command, standalone_mode=False)
    assert caught.value.where == f"looked for {tmp_path / 'none'}"
    assert not (tmp_path / "none").exists()
