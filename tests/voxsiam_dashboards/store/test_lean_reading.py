"""A study read without what a page or a report does not show says the same."""

from unittest.mock import patch

import pytest

from tests.voxsiam_dashboards.study_store import TABLE
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.pages import study
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.store.study_reading import load_study
from voxsiam_dashboards.tables.report_table import build_table


@pytest.fixture
def source(store, tmp_path):
    return CachedStore(store[1], tmp_path, "http://127.0.0.1:5000")


def shown(source, address):
    return [getattr(part, "to_plotly_json", lambda part=part: part)()
            for part in study.VIEW.content(source, address)]  # fmt: skip


def test_the_page_of_a_study_says_the_same_without_the_files_of_its_runs(store, source):
    address = Address("study", store[3])
    read, names = RunReader.read, []

    def counted(reader, run, name, *more):
        names.append(name)
        return read(reader, run, name, *more)

    with patch.object(RunReader, "read", counted):
        light = str(shown(source, address))
    assert names == ["study/plan.json"]
    with patch.object(CachedStore, "figures", CachedStore.table):
        assert str(shown(source, address)) == light


def test_a_report_of_what_it_shows_is_the_report_of_all(store, tmp_path):
    whole, lean = (load_study(store[1], store[3], files=files) for files in ("all", "report"))
    for results, name in ((whole, "whole"), (lean, "lean")):
        write_report(build_table(TABLE, results), tmp_path / name, cache=tmp_path / "cache")
    files = sorted(path.name for path in (tmp_path / "whole").rglob("*") if path.is_file())
    assert len(files) > 5
    for path in (tmp_path / "whole").rglob("*"):
        if path.is_file() and path.name != "seal.json":
            other = tmp_path / "lean" / path.relative_to(tmp_path / "whole")
            assert path.read_bytes() == other.read_bytes(), path.name
    kept = [(t.row, t.seed) for t in lean.trials if t.overlay is not None]
    assert kept == [("feature (1)", 0), ("feature (2)", 0)]
    assert kept == [(t.row, t.seed) for t in lean.trials if t.features is not None]
