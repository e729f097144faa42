"""A study that runs while it is looked at, and a store behind a server with a login."""

import pytest

from tests.postgres import find_programs, postgres
from tests.tracking_server import serving
from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from tests.voxsiam.orchestration.tracking.test_doors import ADMIN_SECRET
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.server import Login
from voxsiam.orchestration.tracking.store import experiment_of, open_for_writing
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess

pytestmark = pytest.mark.browser


class Study:
    """Two rows that are trained here, one after the other, and tracked as a driver does it."""

    def __init__(self, workspace):
        plan = make_plan(workspace, rows=2)
        self.trials = plan.trials
        self.tracker = StudyTracker(workspace, parent_of_study(plan))

    def train(self, number, after_epoch=lambda _: None):
        trial = self.trials[number]
        trial.run.directory.mkdir(parents=True)
        self.tracker.run_started(trial)

        def report(record):
            self.tracker.epoch_done(trial, record)
            after_epoch(int(record["epoch"]))

        execute_run(trial.run, ToyCases(), SingleProcess(report))
        self.tracker.run_ended(trial, "finished", None)


def test_a_running_study_is_followed_to_its_end(serve, page, tmp_path):
    workspace = Workspace(tmp_path / "w")
    study = Study(workspace)
    address = serve(workspace.tracking_uri)
    seen = []

    def look(epoch):
        row = page.locator("#live tr", has_text="feature (1)")
        row.get_by_text(f"{epoch} of 3").wait_for()
        seen.append(row.locator("td.state").inner_text())

    page.goto(f"{address}/study/{study.tracker.parent}")
    page.get_by_text("Trainings: running").wait_for()
    study.train(0, look)
    assert seen == ["running"] * 3
    # Its figures stand in the table without a reload.
    first = page.locator("#content table", has_text="ours - paper").locator("tr", has_text="(1)")
    first.get_by_text("1 of 1").wait_for()
    study.train(1)
    study.tracker.ended("finished")
    page.locator("#live h2").wait_for(state="detached")
    page.get_by_role("link", name="Studies", exact=True).click()
    page.locator(".ag-row", has_text="2 of 2").wait_for()


def test_a_trial_that_fails_says_why(serve, page, tmp_path):
    workspace = Workspace(tmp_path / "w")
    study = Study(workspace)
    page.goto(f"{serve(workspace.tracking_uri)}/study/{study.tracker.parent}")
    study.tracker.run_started(study.trials[0])
    study.tracker.run_ended(study.trials[0], "failed", "no room <b>on</b> the disk")
    page.locator("#live td", has_text="no room <b>on</b> the disk").wait_for()
    study.tracker.ended("failed")
    page.get_by_text("Trainings: failed").wait_for()


@pytest.mark.postgres
def test_the_store_may_be_postgres_behind_a_login(serve, page, tmp_path, monkeypatch):
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine")
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN_SECRET)
    with postgres(programs) as database:
        served = {"store": database.uri_with_password, "login": Login(tmp_path / "login")}
        with serving(tmp_path, **served) as running:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", running.url)
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN_SECRET)
            study = Study(Workspace(tmp_path / "w"))
            study.train(0)
            study.train(1)
            study.tracker.ended("finished")
            address = serve(running.url)
            page.goto(address)
            page.locator(".ag-row a").click()
            page.get_by_text("Ours beside the paper's").wait_for()
            page.get_by_role("link", name="Cases").click()
            page.locator(".voxel-viewer[data-state=ready]").wait_for()
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not this one at all")
            page.goto(serve(running.url))
            page.get_by_role("alert").wait_for()
            assert ADMIN_SECRET not in page.content()


def test_a_server_that_is_gone_says_what_to_do(serve, page):
    page.goto(serve("http://127.0.0.1:9"))
    page.get_by_role("alert").wait_for()
    assert "127.0.0.1:9" in page.get_by_role("alert").inner_text()


def test_an_empty_store_says_what_to_do(serve, page, tmp_path):
    workspace = Workspace(tmp_path / "w")
    experiment_of(open_for_writing(workspace), workspace)
    page.goto(serve(workspace.tracking_uri))
    page.get_by_text("No study has been run with this tracking store yet.").wait_for()
    page.get_by_text("voxsiam study run table3 --preset tiny").wait_for()
