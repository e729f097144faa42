"""A study that holds is green; one thing changed anywhere, and it is named."""

import copy
import csv
import hashlib
import io
import json
import logging
import re
import sqlite3
from contextlib import closing, contextmanager, nullcontext
from dataclasses import fields
from unittest.mock import patch

import numpy as np
import pytest
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from tests.voxsiam_dashboards.evidence_store import EvidenceStore
from tests.voxsiam_dashboards.study_store import TABLE
from voxsiam.metrics.case_scores import summarise
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import DistanceConfig
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.names import MANIFEST_TAG
from voxsiam_dashboards.evidence.run_checks import numbers
from voxsiam_dashboards.evidence.run_files import read_scores
from voxsiam_dashboards.evidence.study import verify_study

COLUMNS = [field.name for field in fields(OrganScore)]
GRID_FLOATS = ("dsc", "hd95_grid", "assd_grid")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return EvidenceStore(tmp_path_factory.mktemp("evidence"))


def verify(store, prepared=None, *, page=False, **more):
    """Verify; the page, which takes seconds to be written anew, only where it is asked for."""
    left_out = nullcontext() if page else patch("voxsiam_dashboards.evidence.study.check_page")
    with left_out:
        return verify_study(
            TABLE, store.ledger, store.uri, store.report, store.original, prepared, **more
        )


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
    evidence = verify(store, page=True)
    assert texts(evidence) == []
    assert evidence.holds
    assert evidence.runs == 3
    counts = {check.name: check.count for check in evidence.checks}
    # 3 runs x 8 organs x 8 columns of the training grid.
    assert counts["scores"] == 192
    # 6 files, the manifest's seal, and the manifest of the run's own folder.
    assert counts["files"] == 3 * (5 + 2)
    assert counts["fingerprints"] == 3 * 9
    # 6 epochs x 6 figures, and the seconds.
    assert counts["curves"] == 3 * (36 + 1)
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
    assert {"scores", "files", "metrics"} <= failed(evidence)


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
    assert failed(evidence) == {"files", "scores"}
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
    assert failed(evidence) & {"fingerprints", "plan"}


CELLS = [
    ("rows", 0, "measures", "dsc", "mean"),
    ("rows", 0, "measures", "hd95_grid", "sd"),
    ("rows", 1, "measures", "assd_grid", "printed"),
    ("rows", 0, "measures", "dsc", "seeds", 1, "value"),
    ("rows", 1, "dsc_by_organ", "pancreas", "mean"),
    ("rows", 0, "missed_organs", "mean"),
    ("rows", 0, "trials", 0, "scores", "dsc_native"),
    ("comparisons", "rows", 0, "mean"),
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
    assert {"plan", "report", "links"} <= failed(evidence)
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
    assert any(name in text for text in texts(evidence)), texts(evidence)


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


@contextmanager
def stored(store, statement, *values):
    """Change MLflow's database for a while."""
    with closing(sqlite3.connect(store.folder / "mlflow.db")) as database:
        before = sqlite3.connect(":memory:")
        database.backup(before)
        with database:
            assert database.execute(statement, values).rowcount
        try:
            yield
        finally:
            before.backup(database)


OF_RUN = [
    ("UPDATE params SET value='7' WHERE key='epochs' AND run_uuid=?", "settings", "epochs"),
    ("DELETE FROM params WHERE key='epochs' AND run_uuid=?", "settings", "epochs"),
    ("UPDATE tags SET value='real' WHERE key='voxsiam.data_kind' AND run_uuid=?", "settings",
     "voxsiam.data_kind: expected phantom, found real"),
    ("UPDATE tags SET value='0' WHERE key='mlflow.source.git.commit' AND run_uuid=?", "settings",
     "git.commit"),
    ("UPDATE tags SET value='paper' WHERE key='voxsiam.preset' AND run_uuid=?", "settings",
     "preset"),
    ("DELETE FROM tags WHERE key='voxsiam.manifest_sha256' AND run_uuid=?", "files", "manifest"),
    ("UPDATE metrics SET value=value+0.01 WHERE key='validation/dsc' AND step=3 AND run_uuid=?",
     "curves", "validation/dsc, epoch 3"),
    ("DELETE FROM metrics WHERE key='train/loss' AND step=2 AND run_uuid=?", "curves",
     "train/loss, epoch 2: expected"),
    ("UPDATE metrics SET value=1 WHERE key='seconds/epoch' AND step=1 AND run_uuid=?", "curves",
     "seconds/epoch, epoch 1"),
    ("UPDATE latest_metrics SET value=1 WHERE key='seconds/run' AND run_uuid=?", "curves",
     "seconds/run"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "check", "words"), OF_RUN)
def test_what_is_changed_of_a_run_in_mlflow_is_named(store, statement, check, words):
    run_id = store.finished[1].run_id
    with stored(store, statement, run_id):
        evidence = verify(store)
    assert check in failed(evidence)
    assert any(run_id in text and words in text for text in texts(evidence))


OF_STUDY = [
    ("UPDATE tags SET value='x' WHERE key='voxsiam.plan_seal'", "plan_seal"),
    ("UPDATE tags SET value='f' WHERE key='voxsiam.trials'", "voxsiam.trials"),
    ('UPDATE datasets SET dataset_profile=\'{"kind": "real"}\'', "data set"),
]


@pytest.mark.parametrize(("statement", "words"), OF_STUDY)
def test_what_is_changed_of_the_study_in_mlflow_is_named(store, statement, words):
    with stored(store, statement):
        evidence = verify(store)
    assert any(words in text for text in texts(evidence))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config/environment.json", "environment.json"),
        ("test/epochs.csv", "test/epochs.csv"),
        ("test/features.npz", "test/features.npz: SHA-256"),
        ("test/predictions.npz", "test/predictions.npz: SHA-256"),
    ],
)
def test_a_changed_file_of_a_run_is_named(store, name, words):
    run_id = store.finished[1].run_id

    def change(content):
        return content.replace(b"2.13", b"2.14") if name.endswith("json") else content + b"0"

    with changed(store.artifact(run_id, name), change):
        evidence = verify(store)
    assert any(run_id in text and words in text for text in texts(evidence))


@pytest.mark.parametrize("content", [None, b"[", b"{}"])
def test_the_plan_that_mlflow_keeps_is_compared(store, content):
    with changed(store.artifact(store.parent, "study/plan.json"), lambda _: content):
        evidence = verify(store)
    assert "plan" in failed(evidence)
    assert any("study/plan.json" in text for text in texts(evidence))


def test_a_file_that_no_run_has_left_is_named(store):
    run_id = store.finished[1].run_id
    stray = store.artifact(run_id, "test/more.csv")
    stray.write_text("a")
    try:
        evidence = verify(store)
    finally:
        stray.unlink()
    assert failed(evidence) == {"files"}
    assert "test/more.csv" in texts(evidence)[0]


def forge_cases(store, trial):
    """Change a score of a case that is not pictured, and every sum and mean of it."""
    folder = store.planned(trial).run.directory
    manifest = json.loads((folder / "manifest.json").read_text())
    forged = change_cell("dsc")((folder / "cases.csv").read_bytes())
    summary = numbers(summarise(read_scores(written(store.folder / "forged.csv", forged))))
    manifest["files"]["cases.csv"] = hashlib.sha256(forged).hexdigest()
    manifest["summary"] = summary
    text = json.dumps(manifest).encode()
    for place in (folder, store.artifact(trial.run_id, "")):
        (place / "manifest.json").write_bytes(text)
    (folder / "cases.csv").write_bytes(forged)
    store.artifact(trial.run_id, "test/cases.csv").write_bytes(forged)
    store.client.set_tag(trial.run_id, MANIFEST_TAG, hashlib.sha256(text).hexdigest())
    metrics = [Metric(f"test/{name}", value, 10_000, 7) for name, value in summary.items()]
    store.client.log_batch(trial.run_id, metrics=metrics)
    store.write_report()


def written(path, content):
    path.write_bytes(content)
    return path


def test_scores_that_were_forged_with_all_their_sums_contradict_the_voxels(tmp_path):
    """All else fits: the quick one passes it, the whole one must look at the label maps."""
    store = EvidenceStore(tmp_path)
    forge_cases(store, store.finished[1])
    assert verify(store).holds
    assert verify(store, store.prepared, quick=True).holds
    evidence = verify(store, store.prepared, page=True)
    assert failed(evidence) == {"scores"}
    (text,) = texts(evidence)
    assert "case 001, esophagus, dsc" in text
    assert store.finished[1].run_id in text


def test_all_cases_are_scored_again(store):
    seen = []
    whole = verify(store, store.prepared, progress=lambda *counts: seen.append(counts))
    assert texts(whole) == []
    assert seen == [(done, 9) for done in range(10)]
    # The pictured case, the name of the data, and 9 cases of 8 organs and 8 figures.
    assert {c.name: c.count for c in whole.checks}["scores"] == 192 + 1 + 9 * 64
    assert "scans' own grids" in " ".join(whole.notes)


def test_the_quick_one_says_what_it_did_not_look_at(store):
    evidence = verify(store, store.prepared, page=True, quick=True)
    assert texts(evidence) == []
    counts = {check.name: check.count for check in evidence.checks}
    assert [name for name, count in counts.items() if not count] == ["scores"]
    # The last epoch of 6 figures, and the seconds.
    assert counts["curves"] == 3 * (6 + 1)
    told = [note for note in evidence.notes if "not looked at" in note]
    assert "label maps" in told[0]
    assert "before their last epoch" in told[1]


QUICK_MLFLOW = [
    ("UPDATE tags SET value='x' WHERE key='voxsiam.plan_seal'", "plan_seal"),
    ("UPDATE tags SET value='x' WHERE key='voxsiam.manifest_sha256'", "manifest.json (tag"),
    ("UPDATE tags SET value='real' WHERE key='voxsiam.data_kind'", "expected phantom, found real"),
    ("UPDATE params SET value='7' WHERE key='epochs'", "epochs: expected"),
    ("UPDATE latest_metrics SET value=value+0.01 WHERE key='test/dsc'", "dsc: expected"),
    ("UPDATE latest_metrics SET value=9 WHERE key='train/loss'", "train/loss: expected"),
    ("UPDATE latest_metrics SET value=1 WHERE key='seconds/run'", "seconds/run: expected"),
]


@pytest.mark.parametrize(("statement", "words"), QUICK_MLFLOW)
def test_the_quick_one_sees_what_is_changed_in_mlflow(store, statement, words):
    with stored(store, statement):
        evidence = verify(store, quick=True)
    assert any(words in text for text in texts(evidence))


@pytest.mark.parametrize(
    "name",
    ["config/recipe.json", "config/split.json", "config/environment.json", "manifest.json",
     "test/cases.csv", "test/epochs.csv", "test/features.npz", "test/overlay.npz",
     "test/predictions.npz"],
)  # fmt: skip
def test_the_quick_one_sees_every_file_that_is_changed(store, name):
    run_id = store.finished[1].run_id
    edits = {"cases": change_cell("dsc"), "recipe": lambda old: old.replace(b"1", b"2", 1),
             "split": lambda old: old.replace(b'"b"', b'"c"')}  # fmt: skip
    edits["environment"] = lambda old: old.replace(b"2.13", b"2.14")
    change = edits.get(name.rpartition("/")[2].partition(".")[0], lambda old: old + b" ")
    with changed(store.artifact(run_id, name), change):
        evidence = verify(store, quick=True)
    assert any(run_id in text and name in text for text in texts(evidence))


@pytest.mark.parametrize("name", ["table.csv", "table.json", "index.html", "pictures/overlays.png"])
def test_the_quick_one_sees_a_changed_report(store, name):
    with changed(store.report / name, lambda old: old.replace(b"0.", b"1.", 1) + b" "):
        evidence = verify(store, page=True, quick=True)
    assert {"page"} <= failed(evidence)


def test_a_run_is_asked_for_once(store):
    """Each question costs a hundredth of a second, and a run has a dozen files."""
    get, asked = MlflowClient.get_run, []

    def counted(client, run_id):
        asked.append(run_id)
        return get(client, run_id)

    with patch.object(MlflowClient, "get_run", counted):
        assert verify(store, quick=True).holds
    # The study's own run, by two readers, and the training that a run links to.
    assert sorted(asked) == sorted([store.parent] * 2 + [store.source] * 2)


def test_a_prepared_set_that_is_elsewhere_is_named(store):
    assert "not on this machine" in " ".join(verify(store).notes)


def test_another_prepared_set_is_named_and_not_scored_against(store):
    evidence = verify(store, store.prepared.model_copy(update={"fingerprint": "e" * 16}))
    assert failed(evidence) == {"scores"}
    (text,) = texts(evidence)
    assert f"data: expected {'d' * 16}, found {'e' * 16}" in text


def change_plan(store, **changes):
    """Change the plan in the study's ledger."""

    def change(content):
        tree = json.loads(content)
        tree["plan"] |= changes
        return json.dumps(tree).encode()

    return changed(store.ledger.path, change)


@pytest.mark.parametrize(
    "changes", [{"notes": []}, {"preset": "paper"}, {"workers": 4}, {"data_kind": "real"}]
)
def test_a_changed_plan_breaks_its_seal(store, changes):
    with change_plan(store, **changes):
        again = Ledger.read(store.ledger.path)
    with patch.object(store, "ledger", again):
        evidence = verify(store)
    assert any("the sealed plan" in text for text in texts(evidence))


def test_a_row_that_is_taken_out_of_the_plan_is_named(store):
    plan = store.ledger.plan
    shorter = plan.model_copy(update={"trials": plan.trials[1:]})
    again = Ledger(store.ledger.path, shorter, {}, store.ledger.seals)
    with patch.object(store, "ledger", again):
        evidence = verify(store)
    assert any("the sealed plan" in text for text in texts(evidence))
    assert any("expected not planned" in text for text in texts(evidence))


def test_an_amendment_is_named_and_breaks_nothing(store):
    ours = Ledger.read(store.ledger.path)
    with changed(store.ledger.path, lambda old: old + b" "):
        ours.seal("merged with another machine's part")
        again = Ledger.read(store.ledger.path)
    with patch.object(store, "ledger", again):
        evidence = verify(store)
    assert texts(evidence) == []
    assert any("merged with another machine's part" in note for note in evidence.notes)


def test_a_plan_without_a_seal_is_named(store):
    unsealed = Ledger(store.ledger.path, store.ledger.plan, {})
    with patch.object(store, "ledger", unsealed):
        evidence = verify(store)
    assert "plan" in failed(evidence)
    assert any("the plan has no seal" in text for text in texts(evidence))


def test_afterwards_it_holds_again(store):
    """All of the above was put back: what they found was theirs alone."""
    assert verify(store).holds


def test_cases_are_scored_again_by_the_recipes_own_distances(store):
    """A plan that asks for another HD95 does not fit figures that were taken from the pool."""
    scoring = DistanceConfig(hd95="larger_directed")
    trials = []
    for trial in store.ledger.plan.trials:
        recipe = trial.run.recipe.with_changes(scoring=scoring)
        run = trial.run.model_copy(update={"recipe": recipe})
        trials.append(trial.model_copy(update={"run": run}))
    ledger = copy.copy(store.ledger)
    ledger.plan = ledger.plan.model_copy(update={"trials": tuple(trials)})
    with patch.object(store, "ledger", ledger):
        evidence = verify(store, store.prepared)
    scores = next(check for check in evidence.checks if check.name == "scores")
    told = [mismatch.text for mismatch in scores.mismatches]
    assert any("hd95" in text for text in told)
    assert not any("assd" in text for text in told)
