import dataclasses

import pytest

from tests.voxsiam_dashboards.study_store import PLAN, TABLE
from voxsiam_dashboards.tables.footnotes import DISTANCE_NOTE, data_kind, warnings
from voxsiam_dashboards.tables.report_table import build_table


def noted(results, **changes):
    return " ".join(build_table(TABLE, dataclasses.replace(results, **changes)).footnotes)


def retagged(results, index, **tags):
    trials = list(results.trials)
    changed = trials[index].fingerprints | tags
    trials[index] = dataclasses.replace(trials[index], fingerprints=changed)
    return tuple(trials)


def test_units_and_data_are_explained(results):
    notes = noted(results)
    assert DISTANCE_NOTE in notes
    assert "grid voxels" in DISTANCE_NOTE
    assert "phantoms, not on patients" in notes
    assert TABLE.footnotes[0] in notes
    assert PLAN["notes"][0] in notes
    assert "Do not compare" not in notes


@pytest.mark.parametrize("kind", ["phantom", "semi-synthetic", "real", "unknown"])
def test_only_real_data_at_full_size_goes_without_a_warning(results, kind):
    plan = {"data": {"kind": kind}}
    study = dataclasses.replace(results, plan=plan, preset="paper")
    assert data_kind(study) == kind
    assert bool(warnings(study)) == (kind != "real")
    assert len(warnings(dataclasses.replace(study, preset="mini"))) == len(warnings(study)) + 1


@pytest.mark.parametrize("plan", [{}, {"data": "phantom"}, {"data": {"kind": "Real"}, "notes": 3}])
def test_an_odd_plan_is_read_as_unknown_data(results, plan):
    assert data_kind(dataclasses.replace(results, plan=plan)) == "unknown"
    assert "does not say what kind of data" in noted(results, plan=plan)


@pytest.mark.parametrize(
    ("key", "name"),
    [("data", "data"), ("split", "splits"), ("method_version", "versions of the method")],
)
def test_rows_measured_differently_are_not_left_uncommented(results, key, name):
    trials = retagged(results, 1, **{key: "other"})
    assert f"different {name}" in noted(results, trials=trials)


def test_seeds_with_different_recipes_are_noted(results):
    trials = retagged(results, 1, recipe="other")
    assert "'feature (1)' were trained with different recipes" in noted(results, trials=trials)


def test_rows_that_the_table_does_not_know_are_noted(results):
    stranger = dataclasses.replace(results.trials[1], row="feature (9)")
    assert "'feature (9)', which is no row" in noted(results, trials=(stranger,))
