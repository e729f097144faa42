"""What a table's name among the reports leads to."""

import json

import pytest

from voxsiam_dashboards.reports.newest import (
    adopt_earlier,
    earlier_reports,
    lead_to,
    reported_id,
)


@pytest.fixture
def reports(tmp_path):
    return tmp_path / "reports"


def write(folder, own_id, text="whole"):
    folder.mkdir(parents=True)
    (folder / "table.json").write_text(json.dumps({"study": {"study_id": own_id}}))
    (folder / "index.html").write_text(text)


def test_a_name_is_a_relative_link_that_says_which_study_it_is(reports):
    write(reports / "table3-mini-1", "table3-mini-1")
    assert lead_to(reports, "table3", "table3-mini-1")
    assert str((reports / "table3").readlink()) == "table3-mini-1"
    moved = reports.rename(reports.with_name("moved"))
    assert (moved / "table3" / "index.html").read_text() == "whole"


def test_a_newer_study_takes_the_name_and_the_older_report_stays(reports):
    for own_id in ("table3-mini-1", "table3-tiny-2"):
        write(reports / own_id, own_id, own_id)
        assert lead_to(reports, "table3", own_id)
    assert (reports / "table3" / "index.html").read_text() == "table3-tiny-2"
    assert (reports / "table3-mini-1" / "index.html").read_text() == "table3-mini-1"
    assert sorted(path.name for path in reports.iterdir()) == [
        "table3", "table3-mini-1", "table3-tiny-2"
    ]  # fmt: skip


def test_a_report_of_version_0_1_0_gets_the_name_of_its_study(reports):
    write(reports / "table3", "table3-mini-1")
    assert earlier_reports(reports) == [("table3", "table3-mini-1")]
    adopt_earlier(reports, "table3")
    assert not (reports / "table3").exists()
    assert (reports / "table3-mini-1" / "index.html").read_text() == "whole"
    assert earlier_reports(reports) == []


def test_nothing_is_overwritten_where_both_are_there(reports):
    write(reports / "table3", "table3-mini-1", "earlier")
    write(reports / "table3-mini-1", "table3-mini-1", "newer")
    adopt_earlier(reports, "table3")
    assert not lead_to(reports, "table3", "table3-mini-1")
    assert (reports / "table3" / "index.html").read_text() == "earlier"
    assert (reports / "table3-mini-1" / "index.html").read_text() == "newer"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"study": 1}', b'{"study": {"study_id": "../../etc"}}', b"\xff"]
)
def test_a_folder_that_is_no_report_is_left_as_it_is(reports, content):
    (reports / "table3").mkdir(parents=True)
    (reports / "table3" / "table.json").write_bytes(content)
    assert reported_id(reports / "table3") is None
    adopt_earlier(reports, "table3")
    assert (reports / "table3" / "table.json").read_bytes() == content


def test_reports_of_sweeps_say_whose_they_are_too(reports):
    (reports / "sweep-lambda").mkdir(parents=True)
    (reports / "sweep-lambda" / "trials.json").write_text('{"sweep_id": "lambda-mini-1"}')
    assert earlier_reports(reports) == [("sweep-lambda", "lambda-mini-1")]


def test_where_there_are_no_reports_there_is_none_to_adopt(reports):
    assert earlier_reports(reports) == []
    adopt_earlier(reports, "table3")
    assert not reports.exists()
