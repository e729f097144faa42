"""The list of studies and a study's own page, as a reader meets them."""

import pytest

from tests.voxsiam_dashboards.study_store import EVIL, STUDY_ID

pytestmark = pytest.mark.browser


def test_from_the_list_to_a_study_and_its_figures(store, serve, page):
    _, uri, _, parent = store
    page.goto(serve(uri))
    page.get_by_role("link", name=STUDY_ID).click()
    page.wait_for_url(f"**/study/{parent}")
    page.get_by_text("Ours beside the paper's").wait_for()
    figure = page.locator("details", has_text="0.684").first
    figure.locator("summary").click()
    seed = figure.get_by_role("link").first
    assert "/runs/" in seed.get_attribute("href")
    # Its trainings are told while one still runs, and why one failed.
    assert page.locator("td.state.running").count() == 1
    assert page.locator("td.state.failed").count() == 1


def test_every_page_of_a_study_opens(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}")
    heads = {
        "Compare": "Settings that differ",
        "Label fractions": "How many labelled cases are needed?",
        "Feature space": "Feature space of test voxels",
        "Cases": "Worst cases",
        "Data": "The cases of this study",
    }
    for tab, head in heads.items():
        page.get_by_role("link", name=tab, exact=True).click()
        page.locator("#content").get_by_text(head).first.wait_for()
        assert page.locator("[role=alert]").count() == 0


def test_a_row_called_like_markup_is_shown_as_text(store, serve, page):
    _, uri, _, parent = store
    page.on("dialog", lambda _: pytest.fail("a name became a script"))
    page.goto(f"{serve(uri)}/study/{parent}")
    page.get_by_text(EVIL).first.wait_for()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/study/00000000000000000000000000000000", "there is no such study"),
        ("/study/..%2f..%2fetc%2fpasswd", "there is no study '../../etc/passwd' here"),
        ("/study/{parent}/nothing", "there is no such page"),
        ("/elsewhere", "there is no such page"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused(store, serve, page, path, told):
    _, uri, _, parent = store
    page.goto(serve(uri) + path.format(parent=parent))
    page.get_by_role("alert").get_by_text(told).wait_for()


def test_a_chart_is_saved_as_svg_and_as_png_and_a_table_as_csv(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}")
    page.locator(".js-plotly-plot").first.wait_for()
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=kind).first.click()
        assert saved.value.path().read_bytes().startswith(start)
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").first.click()
    assert b"feature (1),2 of 2," in saved.value.path().read_bytes()
