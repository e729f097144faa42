"""The feature space of test voxels, as a reader meets it."""

import csv
import io
from urllib.parse import urlencode

import pytest

from tests.voxsiam_dashboards.browser.choose import choose
from tests.voxsiam_dashboards.study_store import open_client, write_study

pytestmark = pytest.mark.browser


def test_rows_are_chosen_and_stand_in_the_address(shares_store, serve, page):
    uri, parent = shares_store
    base = serve(uri)
    page.goto(f"{base}/study/{parent}/features")
    page.locator(".js-plotly-plot").wait_for()
    page.get_by_text("3D U-Net, 10%, level 1, silhouette").wait_for()
    choose(page, "below it", "nothing")
    page.wait_for_url("**beside=-")
    page.get_by_text("Ours, 60%, level 1").wait_for(state="detached")
    page.locator("section tbody tr").first.wait_for()
    assert page.locator("section tbody tr").count() == 1
    page.goto(f"{base}/study/{parent}/features?{urlencode({'beside': '*'})}")
    page.get_by_text("Ours, 60%, level 3, silhouette").wait_for()
    assert page.locator("section tbody tr").count() == 4
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    lines = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    assert [line[0] for line in lines[1:]] == [
        "3D U-Net, 10%", "Ours, 10%", "3D U-Net, 60%", "Ours, 60%",
    ]  # fmt: skip


def test_a_study_without_features_and_a_row_without_them(store, serve, page, tmp_path):
    client, uri = open_client(tmp_path)
    parent = write_study(client, tmp_path, ())
    page.goto(f"{serve(uri)}/study/{parent}/features")
    page.get_by_text("has kept features").wait_for()
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/features?row=feature+(3)")
    page.get_by_role("alert").get_by_text("the row 'feature (3)' has kept no features").wait_for()
