import dataclasses

import pytest

from tests.voxsiam_dashboards.study_store import log_json, prefixed
from voxsiam_dashboards.store.study_reading import environment_of, load_study, workers_of
from voxsiam_dashboards.tables.study_tables import environment_table

MANIFEST = {
    "workers": 4,
    "environment": {"python": "3.11", "device": "cpu", "threads": 2, "libraries": {"torch": "2"}},
}


def with_environments(report, *environments):
    row = report.rows[0]
    trials = tuple(
        dataclasses.replace(row.trials[0], seed=seed, environment=environment)
        for seed, environment in enumerate(environments)
    )
    return dataclasses.replace(report, rows=(dataclasses.replace(row, trials=trials),))


def test_the_manifest_counts_before_what_was_recorded_at_the_start():
    recorded = {"python": "3.10", "torch": "1"}
    assert environment_of(MANIFEST, recorded) == {
        "python": "3.11",
        "device": "cpu",
        "threads": "2",
        "torch": "2",
    }
    assert environment_of({}, recorded) == recorded
    assert environment_of({"environment": [1], "libraries": 3}, {}) == {}


@pytest.mark.parametrize(
    ("manifest", "parameters", "workers"),
    [
        (MANIFEST, {"workers": "2"}, 4),
        ({}, {"workers": "2"}, 2),
        ({}, {}, None),
        ({"workers": "many"}, {}, None),
        ({"workers": 0}, {}, None),
    ],
)
def test_workers_are_the_manifests_else_the_plans(manifest, parameters, workers):
    assert workers_of(manifest, parameters) == workers


def test_what_is_alike_is_said_once(report_table):
    table = environment_table(with_environments(report_table, {"torch": "2"}, {"torch": "2"}))
    assert ("torch", "2", "all") in table.body
    assert ("data", "d" * 16, "all") in table.body
    assert table.notes == ("All runs of this study were computed with the same.",)


def test_what_differs_is_named_with_its_runs(report_table):
    table = environment_table(with_environments(report_table, {"torch": "2"}, {"torch": "3"}, {}))
    lines = [line for line in table.body if line[0] == "torch"]
    assert lines == [
        ("torch", "2", "feature (1) s0"),
        ("torch", "3", "feature (1) s1"),
        ("torch", "not told", "feature (1) s2"),
    ]
    assert table.notes == ("The runs of this study differ in: torch.",)


def test_a_linked_run_names_the_study_and_the_environment_of_its_training(store):
    client, uri, _, parent = store
    experiment = client.get_run(parent).info.experiment_id

    def create(tags, **mlflow_tags):
        return client.create_run(experiment, tags=prefixed(tags) | mlflow_tags).info.run_id

    source = create({"kind": "trial", "study": "table1", "row": "a", "seed": "0"})
    log_json(client, source, "config/environment.json", {"torch": "old"})
    study = create({"kind": "study", "study": "table4", "study_id": "table4-linked"})
    tags = {"kind": "trial", "study": "table4", "row": "a", "seed": "0", "source_run": source}
    link = create(tags, **{"mlflow.parentRunId": study})
    log_json(client, link, "config/environment.json", {"torch": "new"})
    (trial,) = load_study(uri, study).trials
    assert (trial.trained_in, trial.environment) == ("table1", {"torch": "old"})
    log_json(client, link, "manifest.json", MANIFEST)
    (trial,) = load_study(uri, study).trials
    assert (trial.environment["torch"], trial.workers) == ("2", 4)
