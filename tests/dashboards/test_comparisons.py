import dataclasses
import re

import numpy as np
import pytest

from dashboards.comparisons import COLUMNS, compare_rows, comparison_notes
from dashboards.table_files import to_json, to_latex, to_markdown
from dashboards.tables import build_table
from experiments.backbones import TABLE as BACKBONES
from experiments.fig7 import TABLE as FIG7
from experiments.studies import TABLES


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


def by_row(report):
    return {each.row: each for each in compare_rows(report)}


def test_a_row_is_tested_against_its_partner_on_patients_averaged_over_seeds(twelve):
    report = dataclasses.replace(
        twelve, rows=tuple(dataclasses.replace(r, partner="feature (2)") for r in twelve.rows)
    )
    found = by_row(report)["feature (1)"]
    assert found.paired is not None
    assert found.paired.units == 12
    # The wobble of the first row's two seeds cancels: each patient differs by 0.02.
    assert found.paired.mean_difference == pytest.approx(-0.02)
    assert found.paired.effect == -1
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.mean == pytest.approx(np.linspace(0.5, 0.9, 12).mean())


def test_cases_of_one_patient_count_once(twelve):
    plan = {"patients": {f"case{number}": f"patient{number // 2}" for number in range(12)}}
    results = dataclasses.replace(twelve.results, plan=twelve.results.plan | plan)
    rows = tuple(dataclasses.replace(r, partner="feature (2)") for r in twelve.rows)
    found = by_row(dataclasses.replace(twelve, results=results, rows=rows))["feature (1)"]
    assert found.paired is not None
    assert found.paired.units == 6


def test_few_patients_are_not_tested_and_that_is_said(report_table):
    rows = tuple(dataclasses.replace(row, partner="feature (2)") for row in report_table.rows)
    report = dataclasses.replace(report_table, rows=rows)
    texts = {each.row: each.texts for each in compare_rows(report)}
    assert all(len(line) == len(COLUMNS) for line in texts.values())
    assert texts["feature (1)"][3] == "3"
    assert texts["feature (1)"][6] == "too few patients"


def test_too_few_seeds_are_said_instead_of_tested(report_table):
    notes = " ".join(comparison_notes(report_table))
    assert re.search(r"with \d a row the least possible p-value is", notes)


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
    found = compare_rows(dataclasses.replace(report_table, rows=empty))
    assert [each.texts[1] for each in found] == ["not finished"] * len(empty)


def test_build_table_names_the_partners(results):
    table = TABLES["table3"]
    report = build_table(table, results)
    assert [row.partner for row in report.rows] == ["feature (3)", "feature (3)", None]
