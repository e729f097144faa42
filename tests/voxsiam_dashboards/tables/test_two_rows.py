import dataclasses

import numpy as np
import pytest

from tests.voxsiam_dashboards.study_store import TABLE
from voxsiam.errors import UserError
from voxsiam.statistics.family import holm
from voxsiam_dashboards.tables.paired_cells import pair_cases, pair_organs
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_dashboards.tables.row_tests import family_tests
from voxsiam_dashboards.tables.two_rows import ComparedRow, compare_studies, compare_two_rows
from voxsiam_dashboards.tables.two_rows_tables import (
    HEADER,
    dsc_table,
    effects_table,
    settings_text_table,
)
from voxsiam_experiments.studies import TABLES

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


def effects_of(pair):
    return {effect.what: effect.test for effect in (*pair.distances, *pair.organs)}


def with_seeds(results, label, *changes):
    """Give a row one finished seed for each change of its first seed's cases."""
    first = next(trial for trial in results.trials if trial.row == label and trial.finished)
    seeds = tuple(
        dataclasses.replace(first, seed=seed, cases=change(first.cases.copy()))
        for seed, change in enumerate(changes)
    )
    others = tuple(trial for trial in results.trials if trial.row != label)
    return dataclasses.replace(results, trials=(*others, *seeds))


def plain(cases):
    return cases


def lost(organ, case_id):
    """Miss an organ of a case."""

    def change(cases):
        hit = (cases["organ"] == organ) & (cases["case_id"] == case_id)
        gone = {name: cases[name].mask(hit, np.nan) for name in ("hd95_grid", "assd_grid")}
        return cases.assign(dsc=cases["dsc"].mask(hit, 0.0), missed=cases["missed"] | hit, **gone)

    return change


def farther_by(voxels):
    return lambda cases: cases.assign(hd95_grid=cases["hd95_grid"] + voxels)


def test_the_difference_is_that_of_b_over_a_on_the_same_patients(results):
    worse = changed(results, FIRST, better_by(0.25))
    pair = pair_of(worse, FIRST, results, FIRST)
    found = effects_of(pair)
    assert pair.dsc.difference == pytest.approx(0.25)
    assert found["HD95 (voxels)"].difference == pytest.approx(-0.25)
    assert found["ASSD (voxels)"].difference == 0
    assert (pair.dsc.patients, pair.dsc.seeds) == (3, 2)
    assert pair.dsc.ours - pair.dsc.theirs == pytest.approx(0.25)
    assert all(each.test.difference == pytest.approx(0.25) for each in pair.organs)
    assert len(pair.organs) == 8


def test_only_settings_that_differ_are_named(results):
    pair = pair_of(results, FIRST, results, SECOND)
    assert pair.settings == {
        "feature_loss.layers": ("1", "2"),
        "feature_loss.weight": ("100.0", "10.0"),
    }
    assert pair_of(results, FIRST, results, FIRST).settings == {}


def test_a_row_that_misses_an_organ_in_its_bad_seed_is_not_judged_on_its_good_one(results):
    """Alike wherever both found the organ; in its bad seed, 8 voxels farther, A missed the liver.

    Averaged over whatever seeds have a figure, A would have the liver of its good seed alone.
    """
    a = with_seeds(results, FIRST, plain, lambda c: lost("liver", "001")(farther_by(8.0)(c)))
    b = with_seeds(results, FIRST, plain, farther_by(8.0))
    pair = pair_of(a, FIRST, b, FIRST)
    hd95 = effects_of(pair)["HD95 (voxels)"]
    assert hd95.difference == pytest.approx(0)
    assert (hd95.p_value, hd95.over_seeds.p_value) == (1, 1)
    assert pair.dsc.difference > 0


def test_seeds_are_paired_by_their_number_and_others_are_left_out(results):
    a = with_seeds(results, FIRST, plain, farther_by(2.0), farther_by(500.0))
    b = with_seeds(results, FIRST, farther_by(1.0), farther_by(3.0))
    hd95 = effects_of(pair_of(a, FIRST, b, FIRST))["HD95 (voxels)"]
    assert hd95.seeds == 2
    assert hd95.difference == pytest.approx(1)
    assert hd95.ours - hd95.theirs == pytest.approx(1)


def test_rows_without_a_common_seed_are_refused(results):
    one = dataclasses.replace(
        results, trials=tuple(t for t in results.trials if t.row != FIRST or t.seed == 0)
    )
    other = dataclasses.replace(
        results, trials=tuple(t for t in results.trials if t.row != FIRST or t.seed == 1)
    )
    with pytest.raises(UserError, match="no seed in common"):
        pair_of(one, FIRST, other, FIRST)


def test_two_single_runs_are_a_pair_whatever_their_seeds(results):
    one, two = (ComparedRow(FIRST, results, seed=seed) for seed in (0, 1))
    pair = compare_two_rows(one, two)
    assert (pair.dsc.patients, pair.dsc.seeds) == (3, 1)
    assert pair.dsc.p_value is None
    whole = compare_two_rows(ComparedRow(FIRST, results), two)
    assert whole.dsc.difference == 0, "the run is set against its own seed of the row"


def test_an_organ_that_one_row_missed_counts_in_neither_distance(results):
    far = changed(results, FIRST, lambda c: c.assign(hd95_grid=c["hd95_grid"].where(
        (c["organ"] != "liver") | (c["case_id"] != "000"), 500.0)))  # fmt: skip
    pair = pair_of(changed(results, FIRST, lost("liver", "000")), FIRST, far, FIRST)
    # B's 500 voxels stand where A has nothing to set against.
    assert effects_of(pair)["HD95 (voxels)"].difference == pytest.approx(0)
    assert pair.dsc.difference > 0


def test_a_distance_says_on_its_line_what_it_leaves_out(results):
    table = effects_table(pair_of(results, FIRST, results, SECOND))
    for line in table.body[:2]:
        assert line[1].endswith(", 1 of 48 organs missed")
        assert "missed" not in line[2]
    assert table.body[-1][:3] == ("Missed organs", "1 of 48", "0 of 24")
    assert all(len(line) == len(HEADER) for line in table.body)
    assert table.bold == frozenset()


def many_patients(results, gain):
    """Twelve patients and five seeds of A; B is better by a gain that wavers a little."""
    rng = np.random.default_rng(0)

    def many(by):
        def change(cases):
            one = cases.loc[cases["case_id"] == "001"]
            frames = [
                one.assign(case_id=f"c{n:02}", dsc=one["dsc"] / 2 + n / 100 + by + waver)
                for n, waver in enumerate(rng.normal(0, 0.005, 12))
            ]
            return type(cases)({k: np.concatenate([f[k] for f in frames]) for k in cases.columns})

        return change

    a = with_seeds(results, FIRST, *[many(0.0)] * 5)
    return a, with_seeds(results, FIRST, *[many(gain)] * 5)


def test_what_a_test_supports_is_bold(results):
    a, b = many_patients(results, 0.1)
    pair = pair_of(a, FIRST, b, FIRST)
    assert dsc_table(pair).bold == {(0, 3)}
    for table in (dsc_table(pair), effects_table(pair)):
        assert any("*" in cell for line in table.body for cell in line)
        assert sum(note.startswith("* Too few patients (12)") for note in table.notes) == 1
    assert not any("*" in cell for cell in dsc_table(pair).body[2]), "over seeds alone"
    # Two distances that are alike, then eight organs that all gain.
    assert {line for line, _ in effects_table(pair).bold} == set(range(2, 10))


def test_the_lines_of_a_table_are_one_family(results):
    """Each organ by itself has this p-value; ten lines pay for ten."""
    a, b = many_patients(results, 0.006)
    pair = pair_of(a, FIRST, b, FIRST)
    ours, theirs = (ComparedRow(FIRST, study).trials for study in (b, a))
    cases = pair_cases(ours, theirs, ["dsc"])
    alone = family_tests({"liver": pair_organs(cases, {}, "dsc", ["liver"])})["liver"]
    p_value = effects_of(pair)["Liver"].p_value
    assert alone is not None
    assert alone.p_value is not None
    assert 0 < alone.p_value < 0.05
    # Both distances have p = 1 and the eight organs one p-value: Holm multiplies the least by 10.
    assert p_value == pytest.approx(10 * alone.p_value)
    assert "10 lines are one family" in " ".join(effects_table(pair).notes)


def test_a_comparison_of_a_table_has_the_same_p_value_here_and_in_its_report(two_seeds):
    report, results = two_seeds
    partners = report.table.partners
    assert set(partners) == {FIRST, SECOND}
    told = {each.row: each.test for each in report.comparisons.rows if each.test}
    alone = {}
    for label, partner in partners.items():
        rows = [ComparedRow(name, results, partners=partners) for name in (partner, label)]
        pair = compare_two_rows(*rows)
        assert len(pair.family) == 2
        assert pair.dsc == told[label]
        round_about = compare_two_rows(*reversed(rows)).dsc
        assert round_about.p_value == told[label].p_value
        assert round_about.difference == -told[label].difference
        by_itself = compare_two_rows(*(ComparedRow(row.label, results) for row in rows))
        assert len(by_itself.family) == 1
        alone[label] = by_itself.dsc.p_value
    assert holm(alone) == {label: test.p_value for label, test in told.items()} != alone


def test_a_pair_that_no_table_plans_is_added_to_its_family(two_seeds):
    report, results = two_seeds
    partners = report.table.partners
    pair = compare_two_rows(*(ComparedRow(n, results, partners=partners) for n in (FIRST, SECOND)))
    assert len(pair.family) == 3
    note = " ".join(dsc_table(pair).notes)
    assert "3 comparisons together: feature (2) against feature (1)" in note


@pytest.fixture
def two_seeds(results):
    """Three finished rows of two seeds, each of its own level."""
    levels = {"feature (1)": 0.0, "feature (2)": 0.01, "feature (3)": 0.05}
    first = next(trial for trial in results.trials if trial.row == FIRST and trial.finished)
    rng = np.random.default_rng(0)
    trials = tuple(
        dataclasses.replace(
            first,
            row=label,
            seed=seed,
            cases=first.cases.assign(
                dsc=first.cases["dsc"] / 2 + level + rng.normal(0, 1e-3, len(first.cases))
            ),
        )
        for label, level in levels.items()
        for seed in (0, 1)
    )
    study = dataclasses.replace(results, trials=trials)
    return build_table(TABLES["table3"], study), study


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
    assert all(pair.family == pairs[0].family for pair in pairs)
    assert len(pairs[0].family) == 2
    table = settings_text_table(differing, "The studies differ in")
    assert table.body == (("preset", "mini", "paper"), ("workers", "2", "4"))


def test_studies_without_a_common_row_are_refused(results):
    empty = dataclasses.replace(results, trials=())
    with pytest.raises(UserError, match="no row has finished in both"):
        compare_studies(results, empty, TABLE)
