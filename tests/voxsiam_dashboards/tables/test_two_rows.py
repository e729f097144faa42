import dataclasses

import numpy as np
import pytest

from tests.voxsiam_dashboards.study_store import TABLE
from voxsiam.errors import UserError
from voxsiam_dashboards.tables.two_rows import (
    HEADER,
    ComparedRow,
    compare_studies,
    compare_two_rows,
    effects_table,
    settings_text_table,
)

FIRST, SECOND, UNFINISHED = (row.label for row in TABLE.rows[:3])


def changed(results, label, change, **fields):
    """Change the cases of a row's finished trials."""
    trials = tuple(
        dataclasses.replace(trial, cases=change(trial.cases.copy()), **fields)
        if trial.row == label and trial.finished
        else trial
        for trial in results.trials
    )
    return dataclasses.replace(results, trials=trials)


def better_by(gain):
    return lambda cases: cases.assign(dsc=cases["dsc"] - gain, hd95_grid=cases["hd95_grid"] + gain)


def pair_of(results, label_a, results_b, label_b):
    return compare_two_rows(ComparedRow(label_a, results), ComparedRow(label_b, results_b))


def measures(pair):
    return {effect.what: effect for effect in pair.measures}


def test_the_difference_is_that_of_b_over_a_on_the_same_patients(results):
    worse = changed(results, FIRST, better_by(0.25))
    pair = pair_of(worse, FIRST, results, FIRST)
    found = measures(pair)
    assert found["DSC (0 to 1)"].paired.mean_difference == pytest.approx(0.25)
    assert found["HD95 (voxels)"].paired.mean_difference == pytest.approx(-0.25)
    assert found["ASSD (voxels)"].paired.mean_difference == 0
    assert found["DSC (0 to 1)"].paired.units == 3
    assert found["DSC (0 to 1)"].second - found["DSC (0 to 1)"].first == pytest.approx(0.25)
    assert all(organ.paired.mean_difference == pytest.approx(0.25) for organ in pair.organs)
    assert len(pair.organs) == 8


def test_only_settings_that_differ_are_named(results):
    pair = pair_of(results, FIRST, results, SECOND)
    assert pair.settings == {
        "feature_loss.layers": ("1", "2"),
        "feature_loss.weight": ("100.0", "10.0"),
    }
    assert pair_of(results, FIRST, results, FIRST).settings == {}


def test_an_organ_that_one_row_missed_counts_in_neither_distance(results):
    def lost(cases):
        hit = (cases["organ"] == "liver") & (cases["case_id"] == "000")
        return cases.assign(
            hd95_grid=cases["hd95_grid"].mask(hit, np.nan), dsc=cases["dsc"].mask(hit, 0.0)
        )

    far = changed(results, FIRST, lambda c: c.assign(hd95_grid=c["hd95_grid"].where(
        (c["organ"] != "liver") | (c["case_id"] != "000"), 500.0)))  # fmt: skip
    pair = pair_of(changed(results, FIRST, lost), FIRST, far, FIRST)
    # B's 500 voxels stand where A has nothing to set against.
    assert measures(pair)["HD95 (voxels)"].paired.mean_difference == pytest.approx(0)
    assert measures(pair)["DSC (0 to 1)"].paired.mean_difference > 0


def test_missed_organs_of_both_stand_in_the_table(results):
    table = effects_table(pair_of(results, FIRST, results, SECOND))
    assert table.body[-1][:3] == ("Missed organs", "1 of 48", "0 of 24")
    assert all(len(line) == len(HEADER) for line in table.body)
    assert table.bold == frozenset()


def test_what_a_test_supports_is_bold(results):
    def many(cases):
        one = cases.loc[cases["case_id"] == "001"]
        frames = [one.assign(case_id=f"c{n}", dsc=one["dsc"] + n / 1000) for n in range(12)]
        return type(cases)({k: np.concatenate([f[k] for f in frames]) for k in cases.columns})

    base = changed(results, FIRST, many)
    worse = changed(base, FIRST, lambda c: c.assign(dsc=c["dsc"] - 0.1))
    table = effects_table(pair_of(worse, FIRST, base, FIRST))
    assert {line for line, _ in table.bold} == {0, *range(3, 11)}


def test_other_cases_are_refused_and_counted(results):
    other = changed(results, FIRST, lambda c: c.assign(case_id=c["case_id"].replace("000", "999")))
    with pytest.raises(UserError, match="1 of A's 3 cases are none of B's 3, 1 the other way"):
        pair_of(results, FIRST, other, FIRST)


def test_cases_of_the_same_names_in_other_data_are_other_cases(results):
    other = changed(results, FIRST, lambda c: c, fingerprints={"data": "e" * 16})
    with pytest.raises(UserError, match="tested on other cases"):
        pair_of(results, FIRST, other, FIRST)


def test_a_row_without_a_finished_run_is_refused(results):
    with pytest.raises(UserError, match="no finished run"):
        pair_of(results, FIRST, results, UNFINISHED)


def test_studies_are_compared_row_by_row_with_what_they_differ_in(results):
    plan = results.plan | {"workers": 4}
    other = dataclasses.replace(results, preset="paper", plan=plan)
    differing, pairs = compare_studies(results, other, TABLE)
    assert differing == {"preset": ("mini", "paper"), "workers": ("2", "4")}
    assert [pair.first for pair in pairs] == [f"table3/{FIRST}", f"table3/{SECOND}"]
    table = settings_text_table(differing, "The studies differ in")
    assert table.body == (("preset", "mini", "paper"), ("workers", "2", "4"))


def test_studies_without_a_common_row_are_refused(results):
    empty = dataclasses.replace(results, trials=())
    with pytest.raises(UserError, match="no row has finished in both"):
        compare_studies(results, empty, TABLE)
