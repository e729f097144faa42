"""A study that holds is green; one thing changed anywhere, and it is named."""

import csv
import io
import json
import logging
import re
from contextlib import contextmanager
from dataclasses import fields

import numpy as np
import pytest

from tests.voxsiam_dashboards.evidence_store import EvidenceStore
from tests.voxsiam_dashboards.study_store import STUDY_ID, TABLE
from voxsiam.metrics.organ_score import OrganScore
from voxsiam_dashboards.evidence.study import verify_study

COLUMNS = [field.name for field in fields(OrganScore)]
GRID_FLOATS = ("dsc", "hd95_grid", "assd_grid")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return EvidenceStore(tmp_path_factory.mktemp("evidence"))


def verify(store):
    return verify_study(TABLE, store.uri, STUDY_ID, store.report, store.original)


def failed(evidence):
    return {check.name for check in evidence.checks if check.mismatches}


def texts(evidence):
    return [mismatch.text for check in evidence.checks for mismatch in check.mismatches]


@contextmanager
def changed(path, change):
    """Change a file's bytes for a while; None removes it."""
    before = path.read_bytes()
    after = change(before)
    assert after != before
    if after is None:
        path.unlink()
    else:
        path.write_bytes(after)
    try:
        yield
    finally:
        path.write_bytes(before)


def test_an_intact_study_holds_and_says_how_much_was_checked(store):
    evidence = verify(store)
    assert texts(evidence) == []
    assert evidence.holds
    assert evidence.runs == 3
    counts = {check.name: check.count for check in evidence.checks}
    # 3 runs x 8 organs x 8 columns of the training grid.
    assert counts["overlay"] == 192
    assert counts["files"] == 6
    assert counts["fingerprints"] == 3 * 9
    assert all(counts.values())
    assert counts["report"] > 500


def change_cell(column):
    """Change one figure of one line of cases.csv."""

    def change(content):
        lines = list(csv.DictReader(io.StringIO(content.decode())))
        line = lines[11]
        value = line[column]
        if column in ("case_id", "organ"):
            line[column] = "002" if column == "case_id" else "spleen"
        elif value in ("True", "False"):
            line[column] = str(value == "False")
        elif column.find("_voxels") > 0:
            line[column] = str(int(value) + 1)
        else:
            line[column] = repr(float(value) + 1e-7)
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)
        return out.getvalue().encode()

    return change


OFTEN = ("case_id", "dsc", "predicted_voxels", "missed_native")


@pytest.mark.parametrize(
    "column",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in COLUMNS],
)
def test_one_changed_figure_of_any_column_is_named(store, column):
    run_id = store.finished[1].run_id
    path = store.artifact(run_id, "test/cases.csv")
    with changed(path, change_cell(column)):
        evidence = verify(store)
    assert "files" in failed(evidence)
    # Line 11 is case 001, organ 3 of 8.
    assert any(run_id in t and "case 001, esophagus" in t for t in texts(evidence))
    if column in GRID_FLOATS:
        assert {"files", "metrics", "report"} <= failed(evidence)


@pytest.mark.parametrize("column", GRID_FLOATS)
def test_a_changed_figure_of_the_pictured_case_contradicts_its_voxels(store, column):
    def change(content):
        head, first, *rest = content.decode().splitlines(keepends=True)
        cells = first.split(",")
        cells[COLUMNS.index(column)] = repr(float(cells[COLUMNS.index(column)]) * 0.9)
        return "".join([head, ",".join(cells), *rest]).encode()

    with changed(store.artifact(store.finished[0].run_id, "test/cases.csv"), change):
        evidence = verify(store)
    assert any(f"case 000, spleen, {column}" in text for text in texts(evidence))
    assert {"overlay", "files", "metrics"} <= failed(evidence)


def test_a_changed_voxel_is_found(store, tmp_path):
    def change(content):
        arrays = dict(np.load(io.BytesIO(content)))
        inside = np.argwhere(arrays["prediction"] == 5)[0]
        arrays["prediction"][tuple(inside)] = 0
        out = io.BytesIO()
        np.savez_compressed(out, **arrays)
        return out.getvalue()

    with changed(store.artifact(store.finished[0].run_id, "test/overlay.npz"), change):
        evidence = verify(store)
    assert failed(evidence) == {"files", "overlay"}
    assert any("case 000, liver, predicted_voxels" in text for text in texts(evidence))


@pytest.mark.parametrize("key", ["test/dsc", "test/hd95_grid", "test/dsc/liver"])
def test_a_changed_metric_is_found(store, key):
    run_id = store.finished[0].run_id
    before = store.client.get_run(run_id).data.metrics[key]
    store.client.log_metric(run_id, key, before + 0.001, step=7)
    try:
        evidence = verify(store)
    finally:
        store.client.log_metric(run_id, key, before, step=8)
    assert {"metrics"} <= failed(evidence) <= {"metrics", "report"}
    name = key.removeprefix("test/")
    assert any(f"metrics test/: {name}: expected {before}" in text for text in texts(evidence))


def alter_json(path):
    """Change the value at a path in a JSON file."""

    def change(content):
        tree = json.loads(content)
        place = tree
        for name in path[:-1]:
            place = place[name]
        value = place[path[-1]]
        place[path[-1]] = value + 1 if isinstance(value, int | float) else f"{value}x"
        return json.dumps(tree).encode()

    return change


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("config/recipe.json", ("optimiser", "learning_rate"), "fingerprints"),
        ("config/recipe.json", ("epochs",), "fingerprints"),
        ("config/split.json", ("test", 0), "fingerprints"),
        ("manifest.json", ("summary", "dsc"), "metrics"),
        ("manifest.json", ("seed",), "files"),
        ("manifest.json", ("run_id",), "files"),
    ],
)
def test_a_changed_configuration_is_found(store, name, path, kind):
    run_id = store.finished[0].run_id
    with changed(store.artifact(run_id, name), alter_json(path)):
        evidence = verify(store)
    assert kind in failed(evidence)
    assert any(run_id in text and name in text for text in texts(evidence))


@pytest.mark.parametrize("tag", ["run", "recipe", "data", "split", "seed", "method_version"])
def test_a_changed_tag_is_found(store, tag):
    run_id, name = store.finished[0].run_id, f"voxsiam.{tag}"
    before = store.client.get_run(run_id).data.tags[name]
    store.client.set_tag(run_id, name, "7")
    try:
        evidence = verify(store)
    finally:
        store.client.set_tag(run_id, name, before)
    assert "fingerprints" in failed(evidence)


CELLS = [
    ("rows", 0, "measures", "dsc", "mean"),
    ("rows", 0, "measures", "hd95_grid", "sd"),
    ("rows", 1, "measures", "assd_grid", "printed"),
    ("rows", 0, "measures", "dsc", "seeds", 1, "value"),
    ("rows", 1, "dsc_by_organ", "pancreas", "mean"),
    ("rows", 0, "missed_organs", "mean"),
    ("rows", 0, "trials", 0, "scores", "dsc_native"),
    ("comparisons", 0, "mean"),
    ("study", "fingerprints", "data"),
]


@pytest.mark.parametrize("path", CELLS, ids=lambda path: ".".join(map(str, path)))
def test_a_changed_cell_of_the_json_table_is_named(store, path):
    with changed(store.report / "table.json", alter_json(path)):
        evidence = verify(store)
    assert failed(evidence) == {"report"}
    (text,) = texts(evidence)
    assert str(path[-1]) in text
    assert "table.json" in text


@pytest.mark.parametrize("name", ["table.csv", "table.md", "table.tex"])
def test_a_changed_cell_of_the_other_tables_is_found(store, name):
    def change(content):
        return re.sub(rb"0\.\d{3}", b"0.999", content, count=1)

    with changed(store.report / name, change):
        evidence = verify(store)
    assert failed(evidence) == {"report"}
    assert name in texts(evidence)[0]


@pytest.mark.parametrize("trial", [0, 1, 2])
def test_a_deleted_run_is_named(store, trial):
    run_id = store.finished[trial].run_id
    store.client.delete_run(run_id)
    try:
        evidence = verify(store)
    finally:
        store.client.restore_run(run_id)
    assert {"report", "links"} <= failed(evidence)
    assert any(f"run {run_id}: expected there, found missing" in t for t in texts(evidence))


def test_a_link_to_a_training_that_is_gone_is_named(store):
    store.client.delete_run(store.source)
    try:
        evidence = verify(store)
    finally:
        store.client.restore_run(store.source)
    assert "links" in failed(evidence)
    assert any(store.source in text and "source_run" in text for text in texts(evidence))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'href="table.csv"', b'href="table.csw"'),
        (b"/runs/{run}", b"/runs/" + b"0" * 32),
        (b"/experiments/1/runs/{run}", b"/experiments/9/runs/{run}"),
        (b'href="table.csv"', b'href="#nowhere"'),
    ],
)
def test_a_broken_link_of_the_page_is_named(store, old, new):
    run = store.finished[0].run_id.encode()
    old, new = old.replace(b"{run}", run), new.replace(b"{run}", run)
    with changed(store.report / "index.html", lambda content: content.replace(old, new)):
        evidence = verify(store)
    assert failed(evidence) == {"links"}
    assert "index.html" in texts(evidence)[0]


@pytest.mark.parametrize("name", ["table.json", "table.csv", "index.html"])
def test_a_file_of_the_report_that_is_gone_is_named(store, name):
    with changed(store.report / name, lambda _: None):
        evidence = verify(store)
    assert failed(evidence) & {"report", "links"}
    assert any(name in text for text in texts(evidence))


@pytest.mark.parametrize(
    "name", ["manifest.json", "test/cases.csv", "test/overlay.npz", "config/recipe.json"]
)
@pytest.mark.parametrize(
    "content",
    [None, b"\xff\x00PK", *(pytest.param(c, marks=pytest.mark.slow) for c in (b"", b"[" * 5000))],
)
def test_a_file_of_a_run_that_is_gone_or_damaged_is_named(store, name, content):
    run_id = store.finished[0].run_id
    with changed(store.artifact(run_id, name), lambda _: content):
        evidence = verify(store)
    assert not evidence.holds
    assert any(run_id in text and name in text for text in texts(evidence))


def test_a_damaged_table_is_no_crash(store):
    for content in (b"", b"[]", b"[" * 5000, b'{"rows": 1}'):
        with changed(store.report / "table.json", lambda _, content=content: content):
            assert "report" in failed(verify(store))


def test_afterwards_it_holds_again(store):
    """All of the above was put back: what they found was theirs alone."""
    assert verify(store).holds
