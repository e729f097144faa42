"""The cases behind a study, with and without its prepared set in sight."""

import pytest

from tests.voxsiam_dashboards.browser.choose import choose
from tests.voxsiam_dashboards.prepared_store import prepared_set

pytestmark = pytest.mark.browser


def table_of(page, title):
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True))


def test_who_saw_which_case_without_the_prepared_set(shares_store, serve, page):
    uri, parent = shares_store
    page.goto(f"{serve(uri)}/study/{parent}/data")
    page.get_by_text("The prepared set of this study is not visible from here").wait_for()
    line = table_of(page, "Cases").get_by_role("row", name="c4")
    assert "60%" in line.inner_text()
    assert "holds" in table_of(page, "Checks").inner_text()
    page.locator(".montage img").wait_for()
    choose(page, "Run", "Ours, 60%, seed 1")
    table_of(page, "What Ours, 60% with seed 1 saw").get_by_text("c0, c1, c2").wait_for()
    assert "run=" in page.url
    with page.expect_download() as saved:
        table_of(page, "Cases").get_by_role("link", name="CSV").click()
    assert b"c0,-,training,every row" in saved.value.path().read_bytes()


def test_organs_checks_and_pictures_with_the_prepared_set(shares_store, serve, page, tmp_path):
    uri, parent = shares_store
    prepared = prepared_set(tmp_path / "set", arrays=True)
    base = serve(uri, prepared={"d" * 16: prepared}.get)
    page.goto(f"{base}/study/{parent}/data?side=train")
    page.locator(".montage img").nth(5).wait_for()
    assert page.get_by_text("not visible from here").count() == 0
    assert "p-c1" in table_of(page, "Cases").get_by_role("row", name="c1").inner_text()
    table_of(page, "Checks").get_by_text("x9: no image").wait_for()
    cases = table_of(page, "Cases")
    tested = cases.get_by_role("row").filter(has_text="test").get_by_role("link")
    name = tested.first.inner_text()
    tested.first.click()
    page.locator(f".voxel-viewer[data-state=ready][data-viewer*='{name}']").wait_for()


def test_runs_that_name_no_cases(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/data")
    page.get_by_text("No run of this study says which cases it saw.").wait_for()
    page.locator(".montage img").wait_for()
