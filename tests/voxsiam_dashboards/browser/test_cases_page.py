"""The volume viewer, as a reader meets it: planes, letters, overlays, errors, addresses."""

import json
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from tests.voxsiam_dashboards.browser.polling import until
from tests.voxsiam_dashboards.prepared_cases import truth_of, write_prepared
from tests.voxsiam_dashboards.study_store import (
    EVIL,
    SHAPE,
    STUDY_ID,
    Planned,
    open_client,
    write_study,
)
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.figures.look import organ_colours
from voxsiam_dashboards.store.study_reading import load_study
from voxsiam_dashboards.store.trial_files import read_prediction

pytestmark = pytest.mark.browser
READY = ".voxel-viewer[data-state=ready]"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("data") / "prepared")


@pytest.fixture
def address(store, serve, prepared):
    """Serve the study with its data in view; returns the address of its cases."""
    _, uri, _, parent = store
    sets = {"d" * 16: prepared}
    return f"{serve(uri, prepared=sets.get)}/study/{parent}/cases"


@pytest.fixture
def trials(store):
    found = load_study(store[1], store[3]).trials
    return {(trial.row, trial.seed): trial for trial in found}


def prediction_of(store, trial, case_id):
    reader = RunReader(store[1])
    run = reader.find(trial.run_id)
    assert run is not None
    found = reader.read(run, "test/predictions.npz", lambda path: read_prediction(path, case_id))
    assert found is not None
    return found


def slices_of(page):
    """The slice that each plane shows, from the element that a screen reader meets."""
    return {
        plane: int(page.locator(f"canvas[data-plane={plane}]").get_attribute("data-slice"))
        for plane in ("axial", "coronal", "sagittal")
    }


def chosen(page):
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


def picture(page, plane):
    """The colours of a plane, one for each voxel that it shows: y x 3, seen at voxel centres."""
    flat, width, height = page.evaluate(
        """(plane) => {
          const canvas = document.querySelector(`canvas[data-plane=${plane}]`);
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [Array.from(pixels.data), canvas.width, canvas.height];
        }""",
        plane,
    )
    pixels = np.array(flat, np.uint8).reshape(height, width, 4)[..., :3]
    d, h, w = SHAPE
    rows, columns = {"axial": (h, w), "coronal": (d, w), "sagittal": (d, h)}[plane]
    y = ((np.arange(rows) + 0.5) * height / rows).astype(int)
    x = ((np.arange(columns) + 0.5) * width / columns).astype(int)
    return pixels[np.ix_(y, x)].astype(int)


def close_to(pixels, colour, within=60):
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return np.abs(pixels - wanted).max(-1) < within


def open_plain(page, address, **query):
    """Open at a slice with nothing but the organs' own colours: full opacity, no lines."""
    asked = {"case": "000", "rows": "feature (2)", "d": 14, "h": 17, "w": 20, "truth": 0,
             "crosshair": 0, "opacity": 100} | query  # fmt: skip
    page.goto(f"{address}?{'&'.join(f'{k}={v}' for k, v in asked.items())}")
    page.locator(READY).wait_for()


@pytest.mark.parametrize(
    ("plane", "organ", "side"),
    [
        ("axial", "liver", "R"), ("axial", "spleen", "L"), ("axial", "stomach", "A"),
        ("coronal", "liver", "R"), ("coronal", "liver", "S"), ("coronal", "duodenum", "I"),
        ("sagittal", "liver", "S"), ("sagittal", "duodenum", "I"), ("sagittal", "liver", "A"),
    ],
)  # fmt: skip
def test_organs_lie_at_the_letters_of_their_sides(address, page, plane, organ, side):
    """The made-up patient has the liver on the right, w runs there (voxsiam.types)."""
    # A plane through the organ: the coronal one at h 17, the sagittal one at w 19.
    open_plain(page, address, w=19 if organ == "duodenum" else 22)
    seen = close_to(picture(page, plane), organ_colours(PAPER_ORGANS)[organ])
    assert seen.sum() > 4
    y, x = (np.nonzero(seen)[axis].mean() / seen.shape[axis] - 0.5 for axis in (0, 1))
    letter = page.locator(f".plane.{plane} .letter", has_text=side)
    box, frame = (
        part.bounding_box() or {} for part in (letter, page.locator(f".plane.{plane} .frame"))
    )
    to_y = (box["y"] + box["height"] / 2 - frame["y"]) / frame["height"] - 0.5
    to_x = (box["x"] + box["width"] / 2 - frame["x"]) / frame["width"] - 0.5
    assert x * to_x + y * to_y > 0.01


def test_every_voxel_of_the_prediction_is_where_it_was_predicted(address, store, trials, page):
    found = prediction_of(store, trials["feature (2)", 0], "000")
    open_plain(page, address)
    cuts = {"axial": found[14], "coronal": found[:, 17], "sagittal": found[:, :, 20]}
    for plane, cut in cuts.items():
        seen = picture(page, plane)
        for value, organ in enumerate(PAPER_ORGANS, start=1):
            expected = cut[::-1, ::-1] == value
            np.testing.assert_array_equal(
                close_to(seen, organ_colours(PAPER_ORGANS)[organ], 20), expected
            )


def test_three_overlays_switch_on_and_off_by_mouse_and_key(address, page):
    page.goto(f"{address}?case=000")
    page.locator(READY).wait_for()
    assert page.locator("button[aria-pressed=true]").all_inner_texts()[:2] == [
        "Ground truthT",
        "feature (1)1",
    ]
    page.get_by_role("button", name="feature (2)").first.click()
    until(page, lambda: "feature (2)" in chosen(page)["rows"])
    with_all = picture(page, "axial")
    page.keyboard.press("t")
    page.keyboard.press("1")
    page.keyboard.press("2")
    until(page, lambda: chosen(page)["rows"] == "-")
    assert chosen(page)["truth"] == "0"
    assert (picture(page, "axial") != with_all).any()
    plain = picture(page, "axial")
    assert (plain.max(-1) == plain.min(-1)).mean() > 0.9  # grey but for the crosshair's letters


def test_the_planes_scroll_by_wheel_key_click_and_slider(address, page):
    page.goto(f"{address}?case=000&d=12&h=16&w=16")
    page.locator(READY).wait_for()
    axial = page.locator("canvas[data-plane=axial]")
    before = picture(page, "coronal")
    axial.hover()
    page.mouse.wheel(0, -100)
    until(page, lambda: slices_of(page)["axial"] == 13)
    # The others show where that is: their crosshair has moved.
    assert (picture(page, "coronal") != before).any()
    axial.focus()
    for key in ("PageUp", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    until(page, lambda: slices_of(page) == {"axial": 14, "coronal": 17, "sagittal": 18})
    box = axial.bounding_box() or {}
    # A quarter from the left is on the patient's right, a quarter from above is in front.
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    until(page, lambda: slices_of(page) == {"axial": 14, "coronal": 23, "sagittal": 23})
    page.get_by_role("slider", name="sagittal slice").focus()
    page.keyboard.press("ArrowRight")
    until(page, lambda: slices_of(page)["sagittal"] == 24)


def test_the_error_map_counts_what_numpy_counts(address, store, trials, page):
    found = prediction_of(store, trials["feature (1)", 0], "001").astype(int)
    truth = truth_of(1).astype(int)
    page.goto(f"{address}?case=001&rows=feature (1)&seed=0&errors=feature (1)&d=10&h=16&w=16")
    page.locator(READY).wait_for()
    kinds = {
        "Missed": (truth > 0) & (found == 0),
        "Invented": (truth == 0) & (found > 0),
        "Wrong organ": (truth > 0) & (found > 0) & (truth != found),
    }
    for kind, wrong in kinds.items():
        told = page.locator(f".entry[data-kind='{kind}']")
        assert wrong.sum() > 0
        assert int(told.get_attribute("data-all")) == wrong.sum()
        assert int(told.get_attribute("data-here")) == wrong[10].sum()


def test_an_address_restores_what_it_was_taken_from(address, page):
    page.goto(f"{address}?case=001&rows=feature (2)")
    page.locator(READY).wait_for()
    page.keyboard.press("PageUp")
    page.keyboard.press("e")
    page.keyboard.press("w")
    until(page, lambda: {"errors", "high"} <= set(chosen(page)))
    url, slices = page.url, slices_of(page)
    before = picture(page, "sagittal")
    page.goto("about:blank")
    page.goto(url)
    page.locator(READY).wait_for()
    page.evaluate("document.querySelector('.voxel-viewer').viewer.writeAddress()")
    assert page.url == url
    assert slices_of(page) == slices
    np.testing.assert_array_equal(picture(page, "sagittal"), before)


def test_from_the_worst_case_to_the_slice_where_the_error_is(address, store, trials, page):
    page.goto(f"{address}?case=002")
    page.locator(READY).wait_for()
    line = page.locator("#worst .ag-row").first
    # Missed altogether: worse than any that was found.
    assert line.inner_text().split("\n")[:4] == ["001", "feature (1)", "0", "Gallbladder"]
    line.get_by_role("link").click()
    until(page, lambda: chosen(page)["case"] == "001" and "d" in chosen(page))
    page.locator(READY).wait_for()
    found = prediction_of(store, trials["feature (1)", 0], "001")
    organ = PAPER_ORGANS.index("gallbladder") + 1
    wrong = (truth_of(1) == organ) != (found == organ)
    place = tuple(int(chosen(page)[axis]) for axis in "dhw")
    assert place[0] == wrong.sum((1, 2)).argmax()
    assert wrong[place]
    # Another line of the same case moves the same viewer.
    page.locator("#worst .ag-row", has_text="001").nth(1).get_by_role("link").click()
    until(page, lambda: chosen(page)["seed"] == "1" and "d" in chosen(page))
    found = prediction_of(store, trials["feature (1)", 1], "001")
    wrong = (truth_of(1) == organ) != (found == organ)
    assert int(chosen(page)["d"]) == wrong.sum((1, 2)).argmax()


def test_another_case_is_chosen_and_its_file_of_worst_cases_saved(address, page):
    page.goto(address)
    page.locator(READY).wait_for()
    page.get_by_label("Case").select_option("002")
    page.wait_for_url("**case=002**")
    page.locator(f"{READY}[data-viewer*='002']").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[:2] == [
        "Case,Row,Seed,Organ,DSC,HD95 (mm),Missed",
        "001,feature (1),0,Gallbladder,0.000,-,yes",
    ]
    assert len(lines) == 1 + 3 * 3 * len(PAPER_ORGANS)


def test_surfaces_are_drawn_for_the_rows_that_are_shown(address, page):
    page.goto(f"{address}?case=001&rows=feature (1)")
    page.locator(READY).wait_for()
    page.evaluate("window.chart = () => document.querySelector('#surfaces .js-plotly-plot')")
    page.get_by_role("button", name="feature (2)").first.click()
    page.get_by_role("button", name="Draw the surfaces").click()
    page.locator("#surfaces .js-plotly-plot").wait_for()
    for title in ("Ground truth", "feature (1), seed 0", "feature (2), seed 0"):
        page.locator("#surfaces").get_by_text(title).wait_for()
    turned = {"eye": {"x": 0.5, "y": -1.5, "z": 0.5}}
    page.evaluate("(camera) => Plotly.relayout(chart(), {'scene.camera': camera})", turned)
    until(page, lambda: page.evaluate("chart().layout.scene3.camera.eye.y === -1.5"))


def test_without_the_data_the_one_case_of_the_runs_opens_and_the_page_says_why(store, serve, page):
    _, uri, _, parent = store
    page.goto(f"{serve(uri)}/study/{parent}/cases")
    page.locator(READY).wait_for()
    page.get_by_text("only 000 can be opened").wait_for()
    page.get_by_text("voxsiam dashboard --data PREPARED").wait_for()
    assert page.get_by_label("Case").locator("option").all_inner_texts() == ["000"]
    linked = page.locator("#worst a").all_inner_texts()
    assert linked
    assert set(linked) == {"000"}


def test_a_row_called_like_markup_is_text_and_can_be_addressed(serve, prepared, tmp_path, page):
    client, uri = open_client(tmp_path)
    parent = write_study(client, tmp_path, [Planned(EVIL, 0, error=0.2)])
    page.on("dialog", lambda _: pytest.fail("a name became a script"))
    page.goto(f"{serve(uri, prepared={'d' * 16: prepared}.get)}/study/{parent}/cases?case=000")
    page.locator(READY).wait_for()
    page.get_by_role("button", name=EVIL).first.wait_for()
    until(page, lambda: chosen(page).get("rows") == EVIL)
    page.reload()
    page.locator(READY).wait_for()
    assert EVIL in page.locator("button[aria-pressed=true]").nth(1).inner_text()


def test_a_study_of_an_earlier_version_opens_with_the_overlay(
    store, serve, prepared, page, tmp_path
):
    client, uri = open_client(tmp_path)
    parent = write_study(client, tmp_path, [Planned("feature (1)", 0, error=0.2)])
    (kept,) = (tmp_path / "artifacts").glob("*/artifacts/test/predictions.npz")
    kept.unlink()
    page.goto(f"{serve(uri, prepared={'d' * 16: prepared}.get)}/study/{parent}/cases?case=000")
    page.locator(READY).wait_for()
    page.get_by_role("button", name="feature (1)").first.wait_for()
    page.get_by_label("Case").select_option("001")
    page.locator(f"{READY}[data-viewer*='001']").wait_for()
    assert page.get_by_role("button", name="feature (1)").count() == 0


OTHER = "0" * 32


@pytest.mark.parametrize(
    "path",
    [
        "/volume/{parent}/facts",
        "/volume/{parent}/facts?case=../../mlflow.db",
        "/volume/{parent}/image?case=/etc/passwd",
        "/volume/{parent}/label?case=..",
        "/volume/{trial}/image?case=000",
        f"/volume/{OTHER}/image?case=000",
        "/volume/..%2f..%2fetc/image?case=000",
        "/volume/{parent}/prediction/{parent}?case=000",
        "/volume/{parent}/prediction/{failed}?case=000",
        f"/volume/{{parent}}/prediction/{OTHER}?case=000",
        "/volume/{parent}/prediction/..%2f{trial}?case=000",
        "/volume/{parent}/prediction/{trial}?case=004",
        "/volume/{parent}/test/overlay.npz",
    ],
)
def test_addresses_of_voxels_that_lead_nowhere_are_404(address, store, trials, page, path):
    names = {"parent": store[3], "trial": trials["feature (1)", 0].run_id}
    names |= {"failed": trials[EVIL, 0].run_id}
    root = address.partition("/study")[0]
    answer = page.request.get(root + path.format(**names))
    assert answer.status == 404
    assert b"<" not in answer.body() or b"<!doctype html>" in answer.body()


def test_voxels_come_as_they_are_packed_or_not(address, store, trials, page):
    root = address.partition("/study")[0]
    facts = json.loads(page.request.get(f"{root}/volume/{store[3]}/facts?case=001").text())
    assert facts["shape"] == list(SHAPE)
    assert facts["grey"] == {"low": -200.0, "high": 250.0, "unit": "HU"}
    label = page.request.get(root + facts["label"])
    assert label.headers["content-encoding"] == "gzip"
    assert label.headers["cache-control"] == "no-store"
    assert label.body() == truth_of(1).tobytes()
    image = page.request.get(root + facts["image"])
    assert len(image.body()) == np.prod(SHAPE)
    first = facts["predictions"][0]
    found = prediction_of(store, trials[first["row"], first["seed"]], "001")
    assert page.request.get(root + first["address"]).body() == found.tobytes()


def test_a_case_of_no_study_is_refused_on_the_page(address, page):
    page.goto(f"{address}?case=../../etc/passwd")
    page.get_by_role("alert").get_by_text("this case cannot be opened").wait_for()
    page.get_by_role("link", name=STUDY_ID)
