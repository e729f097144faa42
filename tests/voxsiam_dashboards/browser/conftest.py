"""The page in a real browser: Chromium driven by Playwright, and a store that is served."""

import shutil
import threading

import pytest
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from voxsiam_dashboards.browser.app import create_app
from voxsiam_dashboards.browser.cached_store import CachedStore

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""WebGL without a GPU; the sandbox does not start as root."""


QUICK = (
    "test_from_the_list_to_a_study_and_its_figures",
    "test_every_page_of_a_study_opens",
    "test_a_row_called_like_markup_is_shown_as_text",
    "test_organs_lie_at_the_letters_of_their_sides[axial-liver-R]",
)
"""Tests in the browser that `make test` runs; it would take minutes to run them all."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Leave the others to `make test-all`."""
    for item in items:
        if item.get_closest_marker("browser") and item.name not in QUICK:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def chromium():
    """One browser for these tests; they are marked browser.

    Not for the session: Playwright leaves an event loop running, and others start their own.
    """
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def is_ours(request):
    """Tell whether a request stays with us; files are for a page that is itself a file."""
    if request.url.startswith("file:"):
        return not request.frame.url.startswith("http")
    return request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))


@pytest.fixture
def page(chromium):
    """A page as a laptop shows it; nothing it loads may come from elsewhere, no script may fail."""
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    faults, foreign = [], []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    opened.on("request", lambda r: None if is_ours(r) else foreign.append(r.url))
    yield opened
    context.close()
    assert foreign == []
    assert [fault for fault in faults if "403" not in fault and "404" not in fault] == []


@pytest.fixture
def serve(tmp_path):
    """Serve a store; returns the page's address."""
    running = []

    def start(uri, **more):
        source = CachedStore(uri, tmp_path / "figures", "http://127.0.0.1:5000", **more)
        hosts: list[str] = []
        server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
        hosts.append(f"127.0.0.1:{server.port}")
        server.app = create_app(source, tuple(hosts)).server
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://{hosts[0]}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
