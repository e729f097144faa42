import dataclasses
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import pytest
from scipy import stats

from voxsiam.statistics.crossed import crossed_mean
from voxsiam.statistics.family import holm
from voxsiam.statistics.first_place import equal_rows_share, first_shares
from voxsiam.statistics.interval import mean_interval
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.tables.files import to_json, to_latex, to_markdown
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_dashboards.tables.row_comparisons import compare_rows
from voxsiam_dashboards.tables.study_tables import (
    DIFFERENCE_COLUMN,
    PATIENT_COLUMNS,
    comparison_table,
    patient_table,
)
from voxsiam_experiments.backbones import TABLE as BACKBONES
from voxsiam_experiments.fig7 import TABLE as FIG7
from voxsiam_experiments.studies import TABLES


def with_scores(report, scores):
    """Give rows other case scores: by label, seeds x cases."""
    rows = []
    for row in report.rows:
        trials = []
        for trial in row.trials:
            given = scores.get(row.label)
            if given is None or not trial.finished or trial.seed >= len(given):
                continue
            cases = len(given[trial.seed])
            frame = trial.cases.iloc[[0] * cases].assign(
                case_id=[f"case{number:02}" for number in range(cases)],
                organ="liver",
                dsc=given[trial.seed],
            )
            trials.append(dataclasses.replace(trial, cases=frame))
        rows.append(dataclasses.replace(row, trials=tuple(trials)))
    return dataclasses.replace(report, rows=tuple(rows))


@pytest.fixture
def twelve(report_table):
    """Twelve patients; the second row is better than the first by 0.02 on each of them."""
    base = np.linspace(0.5, 0.9, 12)
    wobble = np.linspace(-0.01, 0.01, 12)
    return with_scores(
        report_table,
        {"feature (1)": [base + wobble, base - wobble], "feature (2)": [base + 0.02]},
    )


def against(report, partner):
    """Test every row against one."""
    rows = tuple(dataclasses.replace(row, partner=partner) for row in report.rows)
    return compared(dataclasses.replace(report, rows=rows))


def compared(report):
    return dataclasses.replace(report, comparisons=compare_rows(report.rows, report.results))


def by_row(report) -> dict[str, Any]:
    return {each.row: each for each in compare_rows(report.rows, report.results).rows}


Found = TypeVar("Found")


def known(value: Found | None) -> Found:
    assert value is not None
    return value


def against_partner(report, label) -> Any:
    return known(by_row(report)[label].test)


def rows_with(report, scores, partner):
    """A table of these rows alone: seeds x patients by label, all against one of them."""
    row = report.rows[0]
    rows = tuple(
        dataclasses.replace(
            row,
            label=label,
            trials=tuple(dataclasses.replace(row.trials[0], seed=n) for n in range(len(given))),
            partner=None if label == partner else partner,
        )
        for label, given in scores.items()
    )
    report = dataclasses.replace(report, rows=rows)
    return compared(with_scores(report, {label: list(given) for label, given in scores.items()}))


def study(levels, seeds, patients, of_seeds, rest=0.005):
    """Rows of one level each: patients shared by all, trainings and a rest of each row's own."""
    rng = np.random.default_rng(0)
    shared = rng.uniform(0.5, 0.9, patients)
    return {
        label: shared
        + level
        + rng.normal(0, of_seeds, (seeds, 1))
        + rng.normal(0, rest, (seeds, patients))
        for label, level in levels.items()
    }


def test_a_row_is_tested_against_its_partner_on_patients_and_seeds(report_table):
    scores = study({"a": 0.04, "b": 0.0}, seeds=5, patients=12, of_seeds=0.005)
    found = by_row(rows_with(report_table, scores, "b"))["a"]
    expected = known(crossed_mean((scores["a"] - scores["b"]).T))
    assert (found.test.patients, found.test.seeds) == (12, 5)
    assert found.test.difference == pytest.approx(expected.mean)
    assert found.test.p_value == pytest.approx(expected.p_value)
    assert found.test.interval.low == pytest.approx(known(expected.interval()).low)
    assert found.test.holds
    assert found.mean == pytest.approx(scores["a"].mean())


def test_a_difference_of_these_trainings_alone_is_not_bold(report_table):
    """Every patient gains in these two trainings each; trainings spread as far as that."""
    scores = study({"a": 0.01, "b": 0.0}, seeds=3, patients=12, of_seeds=0.02)
    report = rows_with(report_table, scores, "b")
    test = against_partner(report, "a")
    assert test.over_patients.p_value <= 0.05
    assert not test.holds
    assert test.interval.low < 0 < test.interval.high
    assert comparison_table(report).bold == patient_table(report).bold == frozenset()


def test_the_wobble_of_seeds_cancels_over_patients_alone(twelve):
    test = against_partner(against(twelve, "feature (2)"), "feature (1)")
    # Both rows have finished seed 0 alone: its wobble stays.
    assert test.seeds == 1
    assert test.difference == pytest.approx(-0.02)
    assert test.p_value is None
    assert test.p_value_text == "cannot be told"
    assert test.over_patients.p_value < 0.01
    assert test.effect == -1


def test_cases_of_one_patient_count_once(twelve):
    plan = {"patients": {f"case{number:02}": f"patient{number // 2}" for number in range(12)}}
    results = dataclasses.replace(twelve.results, plan=twelve.results.plan | plan)
    report = against(dataclasses.replace(twelve, results=results), "feature (2)")
    found = by_row(report)["feature (1)"]
    assert found.test.patients == found.test.over_patients.units == found.patients == 6


def test_the_interval_of_a_mean_is_over_patients_not_over_cells(report_table):
    scores = study({"a": 0.0, "b": 0.0}, seeds=5, patients=12, of_seeds=0.0)
    found = by_row(rows_with(report_table, scores, "b"))["a"]
    expected = known(mean_interval(scores["a"].mean(axis=0)))
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    cells = known(mean_interval(scores["a"].ravel()))
    assert found.interval.high - found.interval.low > 1.5 * (cells.high - cells.low)


def test_the_interval_of_a_mean_stays_within_what_dsc_can_be(report_table):
    high = np.array([[0.99, 0.995, 1.0, 1.0], [1.0, 0.9, 1.0, 1.0]])
    found = by_row(rows_with(report_table, {"a": high, "b": high}, "b"))["a"]
    assert found.interval.high == 1.0


def test_few_patients_are_not_tested_and_that_is_said_beforehand(report_table):
    scores = study({"a": 0.05, "b": 0.02, "c": 0.0}, seeds=3, patients=6, of_seeds=0.001)
    report = rows_with(report_table, scores, "c")
    texts = {line[0]: line for line in patient_table(report).body}
    assert all(len(line) == len(PATIENT_COLUMNS) for line in texts.values())
    assert texts["a"][2] == "6"
    assert texts["a"][-1] == "too few patients"
    assert "[" not in texts["a"][3], "an interval beside a test that was not made"
    notes = " ".join(patient_table(report).notes)
    assert "with 6 of them and 2 comparisons" in notes
    assert "corrected p-value is 0.0625. It takes 7 " in notes
    # Patients and trainings together need no such number.
    assert against_partner(report, "a").holds


def test_one_comparison_of_six_patients_could_be_told(report_table):
    scores = study({"a": 0.05, "c": 0.0}, seeds=2, patients=6, of_seeds=0.001)
    report = rows_with(report_table, scores, "c")
    assert against_partner(report, "a").over_patients.p_value == pytest.approx(2 / 2**6)
    assert "too few" not in " ".join(patient_table(report).notes)


def test_what_so_few_trainings_find_is_said_beforehand(report_table):
    def notes(seeds):
        scores = study({"a": 0.05, "b": 0.0, "c": 0.0}, seeds, patients=6, of_seeds=0.001)
        return " ".join(comparison_table(rows_with(report_table, scores, "c")).notes)

    assert "nothing can be told of others: give --seeds 5" in notes(1)
    # Student's quantiles of 1 and of 4 degrees of freedom at 0.05 / 2.
    assert "With 2 trainings of a row only very large differences can be found" in notes(2)
    assert "25.5 standard errors over trainings; with 5, 3.5 (--seeds 5;" in notes(2)
    assert "very large differences" not in notes(5)


def test_p_values_and_intervals_pay_for_the_comparisons_of_the_table(report_table):
    levels = {"a": 0.012, "b": 0.011, "c": 0.0}
    scores = study(levels, seeds=5, patients=12, of_seeds=0.002)
    report = rows_with(report_table, scores, "c")
    alone = {
        label: by_row(rows_with(report_table, {n: scores[n] for n in (label, "c")}, "c"))[
            label
        ].test
        for label in ("a", "b")
    }
    tests = {label: against_partner(report, label) for label in ("a", "b")}
    for kind in ("p_value", "over_patients.p_value", "over_seeds.p_value"):
        read = attrgetter(kind)
        corrected = holm({label: read(test) for label, test in alone.items()})
        assert {label: read(test) for label, test in tests.items()} == corrected
    crossed = known(crossed_mean((scores["a"] - scores["c"]).T))
    together = known(crossed.interval(0.05 / 2))
    assert tests["a"].interval.low == pytest.approx(together.low)
    assert tests["a"].interval.low < alone["a"].interval.low
    notes = " ".join(comparison_table(report).notes)
    assert "2 comparisons together: a against c, b against c" in notes


def test_seeds_are_paired_by_their_number(report_table):
    gains = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07])
    base = np.array([0.5, 0.6, 0.7])
    scores = {"first": [base] * 7, "second": [base + gain for gain in gains]}
    test = against_partner(rows_with(report_table, scores, "second"), "first")
    assert test.over_seeds.units == 7
    assert test.difference == pytest.approx(-0.04)
    assert test.over_seeds.p_value == pytest.approx(stats.ttest_1samp(gains, 0)[1])
    # Patients gain alike, so trainings alone decide.
    assert test.p_value == pytest.approx(test.over_seeds.p_value)


def test_only_what_stands_against_both_is_bold(report_table):
    levels = {"a": 0.04, "b": 0.0005, "c": 0.0}
    report = rows_with(report_table, study(levels, 5, 12, of_seeds=0.002), "c")
    assert comparison_table(report).bold == {(0, DIFFERENCE_COLUMN)}
    bold = comparison_table(report).body[0][DIFFERENCE_COLUMN]
    assert rf"**{bold[:6]}" in to_markdown(report)
    assert rf"\textbf{{{bold[:6]}" in to_latex(report)
    assert to_latex(report).count(r"\textbf") == to_markdown(report).count("**") / 2 == 1


def test_shares_of_the_first_place_have_a_yardstick(report_table):
    scores = study({"a": 0.0, "b": 0.0, "c": 0.0}, seeds=5, patients=12, of_seeds=0.01)
    report = rows_with(report_table, scores, "c")
    rows = list(scores.values())
    shares = [each.first for each in report.comparisons.rows]
    assert shares == pytest.approx(first_shares(rows).tolist())
    yardstick = equal_rows_share(rows)
    assert report.comparisons.equal_rows_first == yardstick
    (note,) = (n for n in comparison_table(report).notes if n.startswith("'First in'"))
    assert f"all 3 rows equal, the leader would have {yardstick:.0%} or more" in note


def test_rows_that_saw_other_patients_are_not_ranked(twelve):
    scores = {"feature (1)": [np.linspace(0.5, 0.9, 11)]}
    report = compared(with_scores(twelve, scores))
    assert [each.first for each in report.comparisons.rows] == [None] * len(report.rows)
    assert report.comparisons.equal_rows_first is None


def test_comparisons_are_made_once_for_all_files(results, tmp_path, monkeypatch):
    calls = []
    make = compare_rows
    monkeypatch.setattr(
        "voxsiam_dashboards.tables.report_table.compare_rows",
        lambda *given: calls.append(1) or make(*given),
    )
    write_report(build_table(TABLES["table3"], results), tmp_path / "table3")
    assert calls == [1]


def test_the_files_hold_the_comparisons(report_table):
    assert "| Row | DSC" in to_markdown(report_table)
    assert "Difference in DSC" in to_latex(report_table)
    assert '"comparisons"' in to_json(report_table)


def test_every_row_has_the_partner_that_its_question_asks_for():
    table1 = TABLES["table1"]
    assert {table1.partner(row) for row in table1.rows} == {"Ours", None}
    assert [FIG7.partner(row) for row in FIG7.rows[:2]] == ["Ours, 10%", None]
    partners = [BACKBONES.partner(row) for row in BACKBONES.rows]
    assert partners[2:4] == ["Residual 3D U-Net + ours", None]
    readings = TABLES["readings"]
    assert {readings.partner(row) for row in readings.rows} == {"3D U-Net", None}
    for table in TABLES.values():
        labels = {row.label for row in table.rows}
        assert {table.partner(row) for row in table.rows} - {None} <= labels


def test_a_row_that_has_not_finished_stays_in_its_place(report_table):
    empty = tuple(dataclasses.replace(row, trials=()) for row in report_table.rows)
    report = compared(dataclasses.replace(report_table, rows=empty))
    assert report.comparisons.tests == ()
    assert [line[1] for line in comparison_table(report).body] == ["not finished"] * len(empty)


def test_build_table_names_the_partners(results):
    table = TABLES["table3"]
    report = build_table(table, results)
    assert [row.partner for row in report.rows] == ["feature (3)", "feature (3)", None]
