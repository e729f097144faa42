import dataclasses
import re
from html.parser import HTMLParser

import pytest

from tests.voxsiam_dashboards.study_store import TABLE
from voxsiam.errors import UserError
from voxsiam_dashboards.reports.study import FILES, write_report
from voxsiam_dashboards.tables.report_table import build_table

UI = "http://mlflow.example:5000"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.scripts, self.addresses, self.words, self._inside = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    directory = tmp_path_factory.mktemp("reports") / "table3"
    return write_report(build_table(TABLE, results), directory, UI)


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


def test_writes_all_files(written):
    files = {str(path.relative_to(written.parent)) for path in written.parent.rglob("*.*")}
    assert files == {
        "index.html",
        "table.csv",
        "table.md",
        "table.tex",
        "table.json",
        "scores.csv",
        "seal.json",
        "pictures/overlays.png",
        "pictures/feature_space.png",
        "pictures/surfaces.png",
    }


def test_page_needs_no_other_host(written, page):
    kinds = {re.split(r"[:/]", address)[0] for address in page.addresses}
    assert kinds == {"data", "http", *FILES}
    web = [address for address in page.addresses if address.startswith("http")]
    assert all(address.startswith(f"{UI}/#/experiments/") for address in web)
    assert "default-src 'none'" in written.read_text(encoding="utf-8")
    assert "url(" not in written.read_text(encoding="utf-8").split("<body>")[0]


def test_every_figure_links_to_its_runs(results, page):
    links = [address.rsplit("/runs/", 1)[-1] for address in page.addresses if "/runs/" in address]
    for trial in results.trials:
        # Three measures, eight organs, the missed ones and the list of sources.
        assert links.count(trial.run_id) == (3 + 8 + 1 + 1 if trial.finished else 1)
    assert results.parent_run_id in links
    experiment = f"{UI}/#/experiments/{results.experiment_id}/runs/"
    assert all(a.startswith(experiment) for a in page.addresses if "/runs/" in a)


def test_page_says_what_the_table_says(report_table, page):
    assert "Table III: What does each hidden layer add?" in page.text
    for row in report_table.rows:
        assert " ".join(row.label.split()) in page.text
        for figure in row.cells.values():
            assert figure.text in page.text
            assert figure.printed_text in page.text
    for note in report_table.footnotes:
        assert note in page.text
    assert "phantoms, not on patients" in page.text.split("Ours beside")[0]
    assert "1 of 48" in page.text
    assert "voxsiam study run table3 --preset mini --seeds 2" in page.text


def test_labels_cannot_bring_their_own_script(written, page):
    assert "<script>alert" not in written.read_text(encoding="utf-8")
    # The chart library, and one script for each of two charts.
    assert len([script for script in page.scripts if script.strip()]) >= 3
    assert not any(script.strip().startswith("alert") for script in page.scripts)
    assert sum("plotly.js v" in script for script in page.scripts) == 1


def test_same_results_give_the_same_report(results, written, tmp_path):
    again = write_report(build_table(TABLE, results), tmp_path / "again", UI)
    pictures = [f"pictures/{name}.png" for name in ("overlays", "surfaces", "feature_space")]
    for name in ("index.html", "table.json", *pictures):
        assert (again.parent / name).read_bytes() == (written.parent / name).read_bytes()


def test_a_study_that_has_not_begun_still_gives_a_page(results, tmp_path):
    bare = dataclasses.replace(results, trials=(), plan={}, notes=("No trial has started yet.",))
    text = Page(
        write_report(build_table(TABLE, bare), tmp_path / "bare").read_text(encoding="utf-8")
    ).text
    assert "not finished" in text
    assert "No finished run has left a picture yet." in text
    assert "No run has logged a curve yet." in text
    assert "No trial has started yet." in text


def test_a_report_replaces_only_a_report(results, tmp_path):
    write_report(build_table(TABLE, dataclasses.replace(results, trials=())), tmp_path / "table3")
    write_report(build_table(TABLE, dataclasses.replace(results, trials=())), tmp_path / "table3")
    (tmp_path / "table3" / "thesis.docx").write_text("precious")
    with pytest.raises(UserError, match=r"would overwrite 'thesis\.docx'"):
        write_report(build_table(TABLE, results), tmp_path / "table3")
    assert (tmp_path / "table3" / "thesis.docx").read_text() == "precious"


def test_only_web_addresses_become_links(results, tmp_path):
    with pytest.raises(UserError, match="no web address"):
        write_report(build_table(TABLE, results), tmp_path / "x", "javascript:alert(1)")
    assert not (tmp_path / "x").exists()
