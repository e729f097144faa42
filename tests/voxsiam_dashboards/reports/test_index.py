import dataclasses

from tests.voxsiam_dashboards.reports.test_study import Page
from tests.voxsiam_dashboards.study_store import EVIL
from voxsiam_dashboards.reports.index import IndexEntry, write_index


def test_the_page_lists_every_study_with_a_link_to_its_report(report_table, tmp_path):
    table = report_table.table.model_copy(update={"title": "Another study"})
    other = dataclasses.replace(report_table, table=table)
    entries = [IndexEntry(report_table, "table3"), IndexEntry(other, "table3-tiny-1")]
    path = write_index(entries, tmp_path / "reports")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.addresses == 2 * ["table3/index.html", "table3-tiny-1/index.html"]
    assert "3 of 8" in page.text
    for row in report_table.rows:
        assert row.cells["dsc"].text in page.text
        assert row.cells["dsc"].difference_text in page.text
    assert "phantom-30 (phantom)" in page.text
    assert " ".join(EVIL.split()) in page.text
    assert page.scripts == []


def test_a_study_is_finished_when_every_row_has_its_seeds(report_table):
    assert not IndexEntry(report_table, "table3").is_finished
    done = dataclasses.replace(report_table, rows=report_table.rows[:1])
    assert IndexEntry(done, "table3").is_finished


def test_an_empty_workspace_and_a_second_writing(report_table, tmp_path):
    write_index([IndexEntry(report_table, "table3")], tmp_path)
    path = write_index([], tmp_path)
    assert "No study has been run here yet." in path.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]
