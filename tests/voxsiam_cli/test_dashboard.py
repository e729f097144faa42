from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.dashboard import prepared_folders


def test_prepared_sets_are_named_by_the_ledgers_and_a_damaged_one_names_none(tmp_path):
    workspace = Workspace(tmp_path)
    Ledger.create(workspace, make_plan(workspace))
    damaged = workspace.study("damaged") / "ledger.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    assert list(prepared_folders(workspace)) == [workspace.root / "prepared"]
