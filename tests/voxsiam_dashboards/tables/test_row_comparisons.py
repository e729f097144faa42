import dataclasses

import numpy as np
import pytest

from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.tables.files import to_json, to_latex, to_markdown
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_dashboards.tables.row_comparisons import (
    COLUMNS,
    DIFFERENCE_COLUMN,
    SEED_COLUMNS,
    SEED_DIFFERENCE_COLUMN,
    compare_rows,
    seed_notes,
)
from voxsiam_dashboards.tables.study_tables import patient_table, seed_table
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
                case_id=[f"case{number}" for number in range(cases)],
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


def by_row(report):
    return {each.row: each for each in compare_rows(report.rows, report.results)}


def test_a_row_is_tested_against_its_partner_on_patients_averaged_over_seeds(twelve):
    found = by_row(against(twelve, "feature (2)"))["feature (1)"]
    tested = found.over_patients
    assert tested is not None
    assert tested.paired.units == 12
    # The wobble of the first row's two seeds cancels: each patient differs by 0.02.
    assert tested.paired.mean_difference == pytest.approx(-0.02)
    assert tested.paired.effect == -1
    assert tested.p_value is not None
    assert tested.p_value < 0.01
    assert found.mean == pytest.approx(np.linspace(0.5, 0.9, 12).mean())


def test_cases_of_one_patient_count_once(twelve):
    plan = {"patients": {f"case{number}": f"patient{number // 2}" for number in range(12)}}
    results = dataclasses.replace(twelve.results, plan=twelve.results.plan | plan)
    report = against(dataclasses.replace(twelve, results=results), "feature (2)")
    found = by_row(report)["feature (1)"]
    assert found.over_patients is not None
    assert found.over_patients.paired.units == 6


def test_few_patients_are_not_tested_and_that_is_said(report_table):
    report = against(report_table, "feature (2)")
    texts = {each.row: each.texts for each in report.comparisons}
    assert all(len(line) == len(COLUMNS) for line in texts.values())
    assert texts["feature (1)"][3] == "3"
    assert texts["feature (1)"][6] == "too few patients"


def test_too_few_seeds_are_said_instead_of_tested(report_table):
    report = against(report_table, "feature (2)")
    found = {each.row: each for each in report.comparisons}["feature (1)"]
    # Both rows have finished seed 0 alone.
    assert found.over_seeds is not None
    assert found.over_seeds.p_value is None
    assert (found.seed_texts[2], found.seed_texts[-1]) == ("1", "too few seeds")
    notes = " ".join(seed_notes(report.comparisons))
    assert "with 1 a row and " in notes
    assert "the least possible corrected p-value is 1." in notes
    assert "--seeds 7" in notes
    assert all(len(each.seed_texts) == len(SEED_COLUMNS) for each in report.comparisons)


@pytest.fixture
def many_seeds(report_table):
    """Seven seeds of two rows on three patients: each seed of the second is better by its own."""
    row = report_table.rows[0]
    gains = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07])
    base = np.array([0.5, 0.6, 0.7])
    trials = [dataclasses.replace(row.trials[0], seed=seed) for seed in range(len(gains))]
    rows = tuple(
        dataclasses.replace(row, label=label, trials=tuple(trials), partner=partner)
        for label, partner in (("first", "second"), ("second", None))
    )
    report = dataclasses.replace(report_table, rows=rows)
    scores = {"first": [base] * len(gains), "second": [base + gain for gain in gains]}
    return compared(with_scores(report, scores))


def test_seeds_are_paired_by_their_number_and_tested_apart_from_patients(many_seeds):
    found = many_seeds.comparisons[0]
    assert found.over_seeds is not None
    assert found.over_patients is not None
    assert found.over_seeds.paired.units == 7
    assert found.over_seeds.paired.mean_difference == pytest.approx(-0.04)
    assert found.over_seeds.p_value == pytest.approx(2 / 2**7)
    assert found.over_seeds.paired.interval is not None
    assert found.over_seeds.paired.interval.low < -0.04 < found.over_seeds.paired.interval.high
    # Three patients cannot decide what seven seeds can.
    assert found.over_patients.p_value is None
    assert not any("too few" in note for note in seed_notes(many_seeds.comparisons))


def test_seeds_must_suffice_for_all_comparisons_of_the_table(many_seeds):
    """Six can reach the level once; corrected for two comparisons they never can."""
    first, second = (dataclasses.replace(row, trials=row.trials[:6]) for row in many_seeds.rows)
    alone = compared(dataclasses.replace(many_seeds, rows=(first, second)))
    assert alone.comparisons[0].over_seeds.p_value == pytest.approx(2 / 2**6)
    third = dataclasses.replace(first, label="third")
    both = compared(dataclasses.replace(many_seeds, rows=(first, second, third)))
    assert [each.seed_texts[-1] for each in both.comparisons] == [
        "too few seeds", "-", "too few seeds",
    ]  # fmt: skip
    (_, refusal) = seed_notes(both.comparisons)
    assert "corrected p-value is 0.062" in refusal
    assert "--seeds 7" in refusal


def test_only_what_a_test_supports_is_bold(many_seeds, twelve):
    assert seed_table(many_seeds).bold == {(0, SEED_DIFFERENCE_COLUMN)}
    assert patient_table(many_seeds).bold == frozenset()
    patients = against(twelve, "feature (2)")
    assert patient_table(patients).bold == {(0, DIFFERENCE_COLUMN)}
    assert seed_table(patients).bold == frozenset()
    bold = patient_table(patients).body[0][DIFFERENCE_COLUMN]
    assert rf"**{bold[:6]}" in to_markdown(patients)
    assert rf"\textbf{{{bold[:6]}" in to_latex(patients)
    assert to_latex(patients).count(r"\textbf") == to_markdown(patients).count("**") / 2 == 1


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
    found = compare_rows(empty, report_table.results)
    assert [each.texts[1] for each in found] == ["not finished"] * len(empty)


def test_build_table_names_the_partners(results):
    table = TABLES["table3"]
    report = build_table(table, results)
    assert [row.partner for row in report.rows] == ["feature (3)", "feature (3)", None]
