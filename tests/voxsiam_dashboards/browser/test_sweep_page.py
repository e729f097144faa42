"""A sweep as a reader meets it, from its first trial to its winner."""

import csv
import io

import pytest

from tests.voxsiam.orchestration.toy_sweep import make_ledger
from tests.voxsiam_dashboards.reports.test_sweep import many
from tests.voxsiam_dashboards.study_store import Planned, open_client, write_study
from voxsiam.orchestration.tracking.sweep_tracker import SweepTracker
from voxsiam.orchestration.workspace import Workspace

pytestmark = pytest.mark.browser


def track(folder, trials, *, ended=True):
    """Write a sweep into a store; returns it with the sweep's own run."""
    ledger = make_ledger(folder)
    tracker = SweepTracker(Workspace(folder), ledger)
    for trial in trials:
        added = ledger.add(trial.values)
        told = {"state": trial.state, "curve": trial.curve, "objectives": trial.objectives}
        tracker.trial_ended(ledger.update(added.number, **told))
    if ended:
        tracker.ended("finished")
    return Workspace(folder).tracking_uri, tracker.parent


def test_history_front_importance_and_trials(tmp_path, serve, page):
    uri, parent = track(tmp_path, many().trials)
    page.goto(serve(uri))
    page.get_by_role("link", name="lambda-toy").click()
    page.wait_for_url(f"**/sweep/{parent}")
    page.get_by_text("Winner: trial 15").wait_for()
    page.locator("#chart-importance .js-plotly-plot").wait_for()
    for name in ("history", "pareto", "slices", "parallel"):
        page.locator(f"#chart-{name} .js-plotly-plot").wait_for()
    page.locator("#chart-history").get_by_text("stopped early").wait_for()
    assert page.get_by_role("cell", name="stopped early").count() == 3
    page.get_by_text("Not trained and tested yet.").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    lines = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    assert len(lines) == 1 + 19
    assert lines[16][:2] == ["15 (winner)", "trained to the end"]
    assert lines[17][:2] == ["16", "stopped early"]


def test_the_winner_stands_beside_the_printed_settings(tmp_path, serve, page):
    folder = tmp_path / "store"
    folder.mkdir()
    client, uri = open_client(folder)
    write_study(
        client, folder, (Planned("as printed", 0, 0.2), Planned("winner (trial 15)", 0, 0.1)),
        study="sweep-lambda", study_id="lambda-toy-final-15",
    )  # fmt: skip
    found = dict(zip(("uri", "parent"), track_into(uri, tmp_path, many().trials), strict=True))
    page.goto(f"{serve(uri)}/sweep/{found['parent']}")
    page.get_by_role("row", name="winner (trial 15)").first.wait_for()
    page.get_by_role("link", name="Its study").click()
    page.get_by_text("Ours beside the paper's").wait_for()


def track_into(uri, folder, trials):
    """Write a sweep into a store that is there already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        return track(folder, trials)


def test_before_the_first_trial_has_ended(tmp_path, serve, page):
    uri, parent = track(tmp_path, (), ended=False)
    page.goto(f"{serve(uri)}/sweep/{parent}")
    page.get_by_role("alert").get_by_text("no trial of the sweep").wait_for()
    page.get_by_text("Trainings: running").wait_for()


def test_no_trial_has_come_to_its_end(tmp_path, serve, page):
    uri, parent = track(tmp_path, many().trials[-2:])
    page.goto(f"{serve(uri)}/sweep/{parent}")
    page.get_by_text("so there is no winner").wait_for()
    page.get_by_text("Nothing can be said").wait_for()
