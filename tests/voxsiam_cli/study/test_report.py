"""Where a report is written, what its table's name leads to, and what leaves it as it was."""

import logging
import shutil

import pytest

from tests.voxsiam_dashboards.evidence_store import EvidenceStore
from tests.voxsiam_dashboards.study_store import STUDY_ID
from voxsiam.errors import UserError
from voxsiam_cli.app import app


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return EvidenceStore(tmp_path_factory.mktemp("evidence"))


@pytest.fixture
def store(whole, tmp_path):
    """A copy of the workspace: what one test breaks is whole for the next."""
    shutil.copytree(whole.folder, tmp_path / "w", symlinks=True)
    return tmp_path / "w"


def voxsiam(store, *command):
    return app(["study", *command, "-w", str(store)], standalone_mode=False)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_report_has_a_folder_of_its_own_and_its_tables_name_leads_there(store, capsys):
    shutil.rmtree(store / "reports")
    assert not voxsiam(store, "report", "table3")
    said = capsys.readouterr().out
    assert f"workspace: {store}" in said
    assert f"report:  {store / 'reports' / STUDY_ID / 'index.html'}" in said
    assert str((store / "reports" / "table3").readlink()) == STUDY_ID


def test_a_report_elsewhere_leaves_the_workspace_as_it_is(store, tmp_path):
    before = contents(store)
    assert not voxsiam(store, "report", STUDY_ID, "-o", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "index.html").is_file()
    assert contents(store) == before


@pytest.mark.parametrize("name", ["test/cases.csv", "test/overlay.npz", "config/recipe.json"])
@pytest.mark.parametrize("command", [("report", "table3"), ("compare", "table3", STUDY_ID)])
def test_what_cannot_be_read_is_named_and_nothing_is_overwritten(
    whole, store, name, command, capsys
):
    run_id = whole.finished[1].run_id
    (store / "artifacts" / run_id / "artifacts" / name).unlink()
    before = contents(store / "reports")
    assert voxsiam(store, *command) == 1
    said = capsys.readouterr().out
    assert f"cannot be read: Run {run_id}: {name.rpartition('/')[2]}" in said
    assert "Nothing differs" not in said
    assert contents(store / "reports") == before


def test_a_finished_training_that_mlflow_does_not_hold_is_not_reported_as_missing(
    whole, store, capsys
):
    """Runs that were deleted and the report written anew would look like an unfinished row."""
    trial = whole.finished[1]
    shutil.copytree(whole.folder / "runs", store / "runs", dirs_exist_ok=True)
    client, run_id = whole.client, trial.run_id
    client.delete_run(run_id)
    try:
        shutil.copy(whole.folder / "mlflow.db", store / "mlflow.db")
    finally:
        client.restore_run(run_id)
    before = contents(store / "reports")
    assert voxsiam(store, "report", "table3") == 1
    assert f"the run of '{trial.row}, seed {trial.seed}' in MLflow" in capsys.readouterr().out
    assert contents(store / "reports") == before


def test_verify_holds_by_name_and_by_id_and_says_what_it_could_not_compute(store, capsys):
    # The made-up store was written with another table of the same name, and for other data.
    assert not voxsiam(store, "report", "table3")
    shutil.rmtree(store / "prepared")
    for name in ("table3", STUDY_ID):
        assert not voxsiam(store, "verify", name)
        said = capsys.readouterr().out
        assert "ok   page" in said
        assert "FAIL" not in said
        assert "the prepared set is not on this machine" in said


def test_verify_without_a_report_says_how_to_write_it(store):
    shutil.rmtree(store / "reports")
    with pytest.raises(UserError, match="no report to check") as caught:
        voxsiam(store, "verify", "table3")
    assert f"study report {STUDY_ID}" in caught.value.fix
