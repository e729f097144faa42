"""Who may do what on a server with accounts, as docs/tracking.md says."""

import pytest
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client
from mlflow.tracking import MlflowClient

from tests.tracking_server import serving
from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.server import Login
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace

pytestmark = pytest.mark.slow
ADMIN_PASSWORD = "k3y-of-the-admin-account"
PASSWORDS = {name: f"k3y-of-{name}-and-more" for name in ("ada", "bob")}


@pytest.fixture
def act_as(tmp_path, monkeypatch):
    """A server with two accounts; call with a name to be that person."""

    def become(name, password):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN_PASSWORD)
    with serving(tmp_path, login=Login(tmp_path / "login")) as running:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", running.url)
        become("admin", ADMIN_PASSWORD)
        for name, password in PASSWORDS.items():
            get_app_client("basic-auth", running.url).create_user(name, password)
        yield lambda name: become(name, PASSWORDS.get(name, ADMIN_PASSWORD))


def run_study(folder, study_id):
    workspace = Workspace(folder)
    plan = make_plan(workspace).model_copy(update={"study_id": study_id})
    Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.ended("finished")
    return tracker.parent


def test_all_read_and_write_and_who_made_the_experiment_deletes(act_as, tmp_path):
    act_as("ada")
    first = run_study(tmp_path / "a", "first")
    act_as("bob")
    second, another = (run_study(tmp_path / "b", name) for name in ("second", "another"))
    client = MlflowClient()
    client.set_tag(first, "looked-at", "yes")
    for run_id in (first, second):
        with pytest.raises(MlflowException, match="Permission denied"):
            client.delete_run(run_id)
    act_as("ada")
    MlflowClient().delete_run(second)
    act_as("admin")
    MlflowClient().delete_run(another)
    assert MlflowClient().get_run(first).data.tags["looked-at"] == "yes"
