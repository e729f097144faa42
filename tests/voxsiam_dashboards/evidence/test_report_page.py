"""Whatever is changed on the page of a report, or in its pictures, is named."""

import hashlib
import json
import logging
import re

import pytest

from tests.voxsiam_dashboards.evidence.test_verify_study import changed
from tests.voxsiam_dashboards.evidence_store import EvidenceStore
from tests.voxsiam_dashboards.study_store import TABLE
from voxsiam.orchestration.tracking.names import REPORT_TAG
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.report_checks import check_page
from voxsiam_dashboards.reports.seal import SEAL
from voxsiam_dashboards.tables.report_table import build_table


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return EvidenceStore(tmp_path_factory.mktemp("evidence"))


def check(store):
    found = Check("page", "things")
    check_page(build_table(TABLE, store.results), store.report, RunStore(store.uri), found)
    return found


def texts(found):
    return [mismatch.text for mismatch in found.mismatches]


def some(cases):
    """Leave all but the first to `make test-all`: the page is written anew for each."""
    first, *others = cases
    return [first, *(pytest.param(case, marks=pytest.mark.slow) for case in others)]


class Resealed:
    """Somebody who changes a file of the report, its seal, and what MLflow knows of the seal."""

    def __init__(self, store, name, change, **environment):
        self.store, self.files = store, (changed(store.report / name, change),)
        self.environment = environment

    def __enter__(self):
        for file in self.files:
            file.__enter__()
        self.before = (self.store.report / SEAL).read_bytes()
        seal = json.loads(self.before)
        seal["environment"] |= self.environment
        for name in seal["files"]:
            content = (self.store.report / name).read_bytes()
            seal["files"][name] = hashlib.sha256(content).hexdigest()
        self._write(json.dumps(seal).encode())

    def __exit__(self, *error):
        self._write(self.before)
        for file in self.files:
            file.__exit__(*error)

    def _write(self, content):
        (self.store.report / SEAL).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        self.store.client.set_tag(self.store.parent, REPORT_TAG, digest)


def test_an_intact_page_holds(store):
    found = check(store)
    assert texts(found) == []
    assert found.notes == []
    assert found.count > 1000


def first_number(content):
    return re.sub(rb"(<summary>)0\.", rb"\g<1>1.", content, count=1)


def no_warning(content):
    return re.sub(rb'<div class="banner">.*?</div>', b"", content, count=1, flags=re.DOTALL)


def picture(content):
    return re.sub(rb"(base64,iVBORw0KGgo.{200}).", rb"\1-", content, count=1)


def point(content):
    """Change one figure of the learning curves."""
    start = content.index(b"newPlot", content.index(b'"chart-curves"'))
    found = re.compile(rb'"y":\[(\d+\.\d+)').search(content, start)
    assert found
    return content[: found.start(1)] + b"0.5" + content[found.end(1) :]


def script(content):
    return content.replace(b"</body>", b"<script>document.title = 1</script></body>", 1)


def handler(content):
    return content.replace(b"<h1>", b'<h1 onclick="hide()">', 1)


def hidden(content):
    return content.replace(b'<div class="banner">', b'<div class="banner" style="display:none">', 1)


CHANGES = [first_number, no_warning, picture, point, script, handler, hidden]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_page_is_named(store, change):
    with changed(store.report / "index.html", change):
        found = check(store)
    assert any("index.html" in text for text in texts(found))


@pytest.mark.parametrize("change", some(CHANGES))
def test_a_change_that_was_sealed_anew_is_named(store, change):
    with Resealed(store, "index.html", change):
        found = check(store)
    assert any("index.html" in text for text in texts(found))


@pytest.mark.parametrize("change", some([no_warning, first_number, point, handler, hidden]))
def test_a_change_that_was_sealed_as_of_another_environment_is_named(store, change):
    """Bytes are not compared then: what the page says is."""
    with Resealed(store, "index.html", change, plotly="0.0"):
        found = check(store)
    assert texts(found)
    assert all("index.html" in text for text in texts(found))
    assert any("another environment drew them" in note for note in found.notes)


def test_a_page_of_another_environment_that_says_the_same_holds(store):
    def other_bytes(content):
        return content.replace(b"<main>", b"<main >", 1)

    with Resealed(store, "index.html", other_bytes, matplotlib="0.0"):
        found = check(store)
    assert texts(found) == []


@pytest.mark.parametrize("name", some(["pictures/overlays.png", "table.csv", "table.md"]))
def test_a_changed_file_of_the_report_is_named(store, name):
    with changed(store.report / name, lambda content: content + b"1"):
        found = check(store)
    assert any(name in text for text in texts(found))


def test_a_file_that_was_put_beside_is_named(store):
    stray = store.report / "pictures" / "more.png"
    stray.write_bytes(b"x")
    try:
        found = check(store)
    finally:
        stray.unlink()
    assert any("more.png" in text for text in texts(found))


@pytest.mark.parametrize("content", some([None, b'{"files": 1}', b"", b"[]", b"{}"]))
def test_a_seal_that_is_gone_or_damaged_is_named(store, content):
    with changed(store.report / SEAL, lambda _: content):
        found = check(store)
    assert any(SEAL in text for text in texts(found))
