import itertools
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from mlflow.entities import Metric

from tests.voxsiam_dashboards.study_store import (
    EVIL,
    PLAN,
    STUDY_ID,
    TABLE,
    Planned,
    log_json,
    prefixed,
    write_trial,
)
from voxsiam.errors import UserError
from voxsiam_dashboards.store.study_reading import find_study, load_study, newest_points


def new_study(store, study_id, plan=True):
    client, _, _, parent = store
    experiment = client.get_run(parent).info.experiment_id
    tags = prefixed({"kind": "study", "study": "table3", "preset": "tiny", "study_id": study_id})
    run = client.create_run(experiment, tags=tags).info.run_id
    if plan:
        log_json(client, run, "study/plan.json", PLAN)
    return run


def test_reads_the_study_as_it_was_written(store, results):
    assert results.parent_run_id == store[3]
    assert (results.study, results.preset, results.study_id) == ("table3", "mini", STUDY_ID)
    assert results.plan == PLAN
    assert results.fingerprints == {"data": "d" * 16, "data_name": "phantom-30", "split": "s" * 16}
    assert results.notes == ()


def test_reads_one_trial_for_each_row_and_seed(results):
    found = [(trial.row, trial.seed, trial.status, trial.finished) for trial in results.trials]
    assert found == [
        (EVIL, 0, "FAILED", False),
        ("feature (1)", 0, "FINISHED", True),
        ("feature (1)", 1, "FINISHED", True),
        ("feature (2)", 0, "FINISHED", True),
        ("feature (2)", 1, "RUNNING", False),
    ]


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING", "SCHEDULED"])
def test_scores_alone_do_not_make_a_trial_finished(results, status):
    trial = next(t for t in results.trials if t.finished)
    assert not replace(trial, status=status).finished
    assert not replace(trial, final={}).finished


def test_reads_what_a_finished_trial_left(store, results):
    trial = next(t for t in results.trials if t.row == "feature (1)")
    run = store[0].get_run(trial.run_id)
    assert trial.final["dsc"] == run.data.metrics["test/dsc"]
    assert trial.recipe == TABLE.rows[0].recipe.model_dump(mode="json")
    assert trial.fingerprints["recipe"] == TABLE.rows[0].recipe.fingerprint()
    # The cases' table says the same as the final figures, and keeps names that look like numbers.
    per_organ = trial.cases.groupby("organ")["dsc"].mean()
    assert per_organ.mean() == pytest.approx(trial.final["dsc"])
    assert set(trial.cases["case_id"]) == {"000", "001", "002"}
    assert trial.cases["missed"].sum() == trial.final["missed_organs"] == 1
    assert trial.overlay is not None
    assert trial.overlay.case_id == "000"
    assert trial.overlay.prediction.shape == trial.overlay.image.shape == (24, 32, 32)
    assert trial.overlay.spacing_mm == (5.0, 2.5, 2.5)


def test_reads_the_curves_of_unfinished_trials_too(results):
    running = next(t for t in results.trials if t.status == "RUNNING")
    assert list(running.curve("train/loss")) == [1, 2, 3, 4, 5, 6]
    assert running.curve("learning_rate") == {}
    assert running.curve("nothing") == {}
    assert (running.final, running.overlay, len(running.cases)) == ({}, None, 0)


def test_the_newest_value_of_a_step_counts(store):
    client, uri, folder, _ = store
    parent = new_study(store, "twice")
    run = write_trial(client, folder, parent, Planned("feature (1)", 0, 0.1, "RUNNING"))
    # The later value is the smaller one, so neither order of value nor of insertion finds it.
    client.log_batch(run, [Metric("train/loss", -5.0, 900_000, 3)])
    client.log_batch(run, [Metric("train/loss", 50.0, 800_000, 3)])
    curve = load_study(uri, parent).trials[0].curve("train/loss")
    assert curve[3] == -5.0
    assert list(curve) == [1, 2, 3, 4, 5, 6]


def test_newest_is_by_time_whatever_the_order():
    points = [(2, "a", 5.0, 30), (1, "a", 1.0, 10), (2, "a", 9.0, 20), (2, "b", 7.0, 5)]
    for order in itertools.permutations(points):
        kept = newest_points(order).itertuples(index=False, name=None)
        assert list(kept) == [(1, "a", 1.0), (2, "a", 5.0), (2, "b", 7.0)]


@pytest.mark.parametrize("first", ["FINISHED", "FAILED"])
def test_a_finished_run_counts_before_a_failed_one_of_the_same_seed(store, first):
    client, uri, folder, _ = store
    parent = new_study(store, f"repeated-{first}")
    second = "FAILED" if first == "FINISHED" else "FINISHED"
    for status in (first, second):
        write_trial(client, folder, parent, Planned("feature (1)", 0, 0.1, status))
    loaded = load_study(uri, parent)
    assert [trial.status for trial in loaded.trials] == ["FINISHED"]
    assert any("more than once" in note for note in loaded.notes)


def test_missing_and_broken_files_are_noted(store):
    client, uri, _, _ = store
    parent = new_study(store, "broken", plan=False)
    run = client.create_run(
        client.get_run(parent).info.experiment_id,
        tags=prefixed({"kind": "trial", "row": "feature (1)", "seed": "0"})
        | {"mlflow.parentRunId": parent},
    ).info.run_id
    client.log_text(run, "case_id,organ\n", "test/cases.csv")
    client.log_text(run, "PK, but no zip", "test/overlay.npz")
    client.log_metric(run, "test/dsc", 0.5)
    client.set_terminated(run, "FINISHED")
    loaded = load_study(uri, parent)
    assert loaded.plan == {}
    assert loaded.trials[0].final == {"dsc": 0.5}
    assert loaded.trials[0].overlay is None
    for name in ("plan.json", "cases.csv", "overlay.npz", "recipe.json"):
        assert sum(name in note for note in loaded.notes) == 1


def test_a_trial_whose_manifest_cannot_be_read_is_read_again(store):
    client, uri, folder, _ = store
    parent = new_study(store, "unread")
    run = write_trial(client, folder, parent, Planned("feature (1)", 0, 0.1))
    client.log_text(run, "[cut", "manifest.json")
    kept = {}
    assert any("manifest.json" in note for note in load_study(uri, parent, kept).notes)
    assert kept == {}
    log_json(client, run, "manifest.json", {"environment": {"torch": "9.9"}})
    loaded = load_study(uri, parent, kept)
    assert loaded.notes == ()
    assert list(kept.values()) == list(loaded.trials)
    assert load_study(uri, parent, kept).trials[0] is loaded.trials[0]


def test_undefined_scores_stay_undefined(store):
    client, uri, folder, _ = store
    parent = new_study(store, "undefined")
    run = write_trial(client, folder, parent, Planned("feature (1)", 0, 0.1))
    client.log_batch(run, [Metric("test/hd95_grid", float("nan"), 10_000, 7)])
    assert np.isnan(load_study(uri, parent).trials[0].final["hd95_grid"])


def test_runs_without_row_or_seed_are_noted(store):
    client, uri, _, _ = store
    parent = new_study(store, "nameless")
    experiment = client.get_run(parent).info.experiment_id
    client.create_run(experiment, tags={"mlflow.parentRunId": parent, "voxsiam.kind": "trial"})
    loaded = load_study(uri, parent)
    assert loaded.trials == ()
    assert any("left out" in note for note in loaded.notes)
    assert any("No trial" in note for note in loaded.notes)


def test_an_unknown_study_names_the_nearest(store):
    with pytest.raises(UserError, match="there is no study 'table3-mini-2026010'") as caught:
        find_study(store[1], "table3-mini-2026010")
    assert STUDY_ID in caught.value.fix


def test_a_missing_database_is_not_created(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        find_study(f"sqlite:///{tmp_path}/mlflow.db", "any")
    assert list(tmp_path.iterdir()) == []


def test_only_a_study_can_be_loaded(store, results):
    with pytest.raises(UserError, match="there is no run"):
        load_study(store[1], "0" * 32)
    with pytest.raises(UserError, match="is no study"):
        load_study(store[1], results.trials[0].run_id)


@pytest.mark.parametrize("way", ["..%2f..%2fsecret", "%2e%2e/secret", "..%252f..%252fsecret"])
def test_artifacts_outside_their_run_are_not_shown(store, way):
    """S7: a report would print what stands there.

    Of a store beside its artifacts no other place is looked at, whatever its database names.
    """
    client, uri, folder, _ = store
    experiment = client.create_experiment(f"elsewhere {way}", f"{folder.as_uri()}/a/{way}")
    run = new_run(client, experiment)
    for place in (way, unquote(way), unquote(unquote(way))):
        plan = (folder / "a" / place / run / "artifacts/study/plan.json").resolve()
        plan.parent.mkdir(parents=True, exist_ok=True)
        plan.write_text(json.dumps(PLAN))
    read = load_study(uri, run)
    assert read.plan == {}
    assert any("plan.json cannot be used" in note for note in read.notes)
    (folder / "artifacts").rename(folder / "aside")
    try:
        assert_not_shown(load_study(uri, run))
    finally:
        (folder / "aside").rename(folder / "artifacts")


def test_links_out_of_a_run_are_not_followed(store, tmp_path):
    client, uri, _, _ = store
    run = new_study(store, "linked")
    plan = Path(unquote(urlsplit(client.get_run(run).info.artifact_uri).path)) / "study/plan.json"
    plan.rename(tmp_path / "secret.json")
    plan.symlink_to(tmp_path / "secret.json")
    assert_not_shown(load_study(uri, run))


def test_a_server_cannot_name_files_of_this_machine(store, monkeypatch):
    client, uri, _, _ = store
    run = new_study(store, "served")
    assert load_study(uri, run).plan == PLAN
    monkeypatch.setattr(type(client), "tracking_uri", "http://127.0.0.1:9")
    assert_not_shown(load_study(uri, run))


def new_run(client, experiment):
    tags = prefixed({"kind": "study", "study": "table3", "preset": "tiny", "study_id": "elsewhere"})
    return client.create_run(experiment, tags=tags).info.run_id


def assert_not_shown(read):
    assert read.plan == {}
    assert any("do not lie in the run's own folder" in note for note in read.notes)
