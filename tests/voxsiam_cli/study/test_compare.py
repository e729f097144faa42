import pytest

from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.study.compare import compare


@pytest.fixture
def workspace(tmp_path):
    home = Workspace(tmp_path / "w")
    Ledger.create(home, make_plan(home))
    return home.root


def test_an_unknown_study_is_refused_with_the_nearest_name(workspace):
    with pytest.raises(UserError, match="no study 'tabel3'") as error:
        compare("tabel3", "table3", workspace)
    assert error.value.fix == "did you mean 'table3'?"


def test_a_workspace_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(UserError, match="no workspace here"):
        compare("table3", "table3", tmp_path / "none")
    assert not (tmp_path / "none").exists()
