"""Two rows beside each other, in a study and across studies."""

import csv
import io
from urllib.parse import quote, urlencode

import pytest

from tests.voxsiam_dashboards.browser.choose import choose, choose_next_by_keyboard
from tests.voxsiam_dashboards.study_store import EVIL, SHARES, open_client, write_study

pytestmark = pytest.mark.browser


def table_of(page, title):
    return page.locator("section", has=page.get_by_role("heading", name=title))


def test_first_and_last_row_are_compared_until_others_are_chosen(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/compare")
    table_of(page, "Settings that differ").get_by_text("feature_loss.layers").wait_for()
    page.get_by_role("heading", name="A: table3/feature (1)").wait_for()
    page.get_by_text("3 patients x 1 seeds, cannot be told").first.wait_for()
    assert page.locator(".js-plotly-plot").count() == 3
    assert "Gallbladder" in table_of(page, "Missed organs").inner_text()
    choose(page, "A: a row", "feature (1), seed 0 alone")
    page.get_by_role("heading", name="A: table3/feature (1), seed 0").wait_for()
    assert "a=" in page.url
    told = page.url
    page.goto("about:blank")
    page.goto(told)
    page.get_by_role("heading", name="A: table3/feature (1), seed 0").wait_for()
    assert "1 of 3" in table_of(page, "Missed organs").inner_text()
    # The other row has no training with this seed.
    choose(page, "A: a row", "feature (1), seed 1 alone")
    page.get_by_role("alert").get_by_text("the rows have no seed in common").wait_for()


def test_a_row_is_chosen_by_keyboard_alone(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/compare?b=feature+(1)")
    page.get_by_role("heading", name="A: table3/feature (1)").wait_for()
    choose_next_by_keyboard(page)
    page.get_by_role("heading", name="A: table3/feature (2)").wait_for()
    assert "a=feature" in page.url


def test_an_address_names_both_sides_and_they_can_be_swapped(store, serve, page):
    _, uri, _, parent = store
    query = urlencode({"a": "feature (2)", "b": "feature (1)"})
    page.goto(f"{serve(uri)}/study/{parent}/compare?{query}")
    page.get_by_role("heading", name="A: table3/feature (2)").wait_for()
    page.get_by_role("link", name="Swap A and B").click()
    page.get_by_role("heading", name="A: table3/feature (1)").wait_for()
    page.go_back()
    page.get_by_role("heading", name="A: table3/feature (2)").wait_for()


def test_a_row_that_has_not_finished_says_so_and_a_name_is_text(store, serve, page):
    _, uri, _, parent = store
    page.on("dialog", lambda _: pytest.fail("a name became a script"))
    base = serve(uri)
    page.goto(f"{base}/study/{parent}/compare?a=feature+(1)&b=feature+(3)")
    page.get_by_role("alert").get_by_text("this row has no finished run").wait_for()
    page.get_by_text("Learning curves").wait_for()
    query = urlencode({"a": "feature (1)", "b": EVIL})
    page.goto(f"{base}/study/{parent}/compare?{query}")
    page.get_by_role("alert").get_by_text(f"there is no row and no run '{EVIL}'").wait_for()


def test_the_paired_table_is_saved_as_it_is_shown(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/compare")
    effects = table_of(page, "A: table3/feature (1)")
    with page.expect_download() as saved:
        effects.get_by_role("link", name="CSV").click()
    lines = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    shown = effects.locator("tbody tr").first.locator("th, td").all_inner_texts()
    # A spreadsheet must not read the difference as a formula.
    assert [text.removeprefix("'") for text in lines[1]] == shown
    # Over seed 0, the only one that both have.
    assert float(lines[1][2]) - float(lines[1][1]) == pytest.approx(0.103, abs=2e-3)
    assert float(lines[1][3].removeprefix("'").split()[0]) == pytest.approx(0.103, abs=2e-3)


def test_rows_of_two_studies(tmp_path, serve, page):
    client, uri = open_client(tmp_path)
    first = write_study(client, tmp_path)
    second = write_study(client, tmp_path, SHARES, study="fig7", study_id="fig7-mini-20260101")
    sides = {"a": f"{first}/feature (2)", "b": f"{second}/Ours, 60%"}
    base = serve(uri)
    page.goto(f"{base}/compare?{urlencode(sides, quote_via=quote)}")
    page.get_by_role("heading", name="A: table3/feature (2) B: fig7/Ours, 60%").wait_for()
    page.get_by_role("heading", name="The studies differ in").wait_for()
    choose(page, "B: study", "table3-mini")
    page.get_by_role("heading", name="A: table3/feature (2) B: table3/feature (2)").wait_for()
    page.get_by_role("heading", name="The studies differ in").wait_for(state="detached")


def test_a_study_without_a_finished_run_says_what_to_do(tmp_path, serve, page):
    client, uri = open_client(tmp_path)
    parent = write_study(client, tmp_path, ())
    base = serve(uri)
    page.goto(f"{base}/study/{parent}/compare")
    page.get_by_text("Two finished runs are needed").wait_for()
    page.get_by_text("voxsiam study resume table3").wait_for()
    page.goto(f"{base}/compare")
    page.get_by_role("alert").get_by_text("there is nothing to compare").wait_for()
