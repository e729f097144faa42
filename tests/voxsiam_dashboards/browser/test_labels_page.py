"""The curve over shares of labelled cases, as a reader meets it."""

import csv
import io

import pytest

from tests.voxsiam_dashboards.study_store import SHARES, open_client, write_study

pytestmark = pytest.mark.browser


def test_the_curve_and_its_table(shares_store, serve, page):
    uri, parent = shares_store
    page.goto(f"{serve(uri)}/study/{parent}/labels")
    page.locator(".js-plotly-plot").wait_for()
    page.get_by_text("Ours, the paper's figure").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    lines = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    assert [line[:2] for line in lines[1:4]] == [["3D U-Net", f"{n} %"] for n in (10, 60, 100)]
    assert lines[1][5] == "0.431"


def test_a_study_of_one_share_names_the_one_that_has_several(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/labels")
    page.get_by_text("the same share of the training cases (100%)").wait_for()
    page.get_by_text("voxsiam study run fig7").wait_for()


def test_before_a_row_has_finished_only_the_paper_is_told(tmp_path, serve, page):
    client, uri = open_client(tmp_path)
    running = [type(SHARES[0])("Ours, 10%", 0, 0.3, "RUNNING")]
    parent = write_study(client, tmp_path, running, study="fig7")
    page.goto(f"{serve(uri)}/study/{parent}/labels")
    page.get_by_text("No row of this study has finished yet").wait_for()
    page.get_by_role("cell", name="0.548").wait_for()
