import dataclasses
import io

import pandas as pd
import pytest

from tests.voxsiam_dashboards.study_store import EVIL, STUDY_ID
from voxsiam_dashboards.tables.case_scores import MEASURES, case_scores, to_scores_csv

NAMES = ["study", "row", "seed", "case", "patient", "organ"]


def read(report):
    text = to_scores_csv(report)
    return pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(["case", "patient"], str))


def test_a_line_holds_one_organ_of_one_case_of_one_finished_training(report_table):
    scores = case_scores(report_table.results)
    assert list(scores.columns) == [*NAMES, *MEASURES.values()]
    finished = [trial for trial in report_table.results.trials if trial.finished]
    assert len(scores) == sum(len(trial.cases) for trial in finished) == 3 * 3 * 8
    assert not scores.duplicated(NAMES).any()
    assert set(scores["study"]) == {STUDY_ID}
    pairs = list(dict.fromkeys(zip(scores["row"], scores["seed"], strict=True)))
    assert pairs == [(trial.row, trial.seed) for trial in finished]


def test_the_table_follows_from_the_lines(report_table):
    scores = read(report_table)
    of_row = scores[scores["row"] == "feature (1)"]
    by_organ = of_row.groupby(["seed", "organ"])["dsc"].mean()
    assert by_organ.mean() == pytest.approx(report_table.rows[0].cells["dsc"].mean)
    assert of_row["missed"].sum() == sum(report_table.rows[0].missed.values)
    liver = of_row[of_row["organ"] == "liver"]
    assert liver["hd95_mm"].mean() > liver["hd95_voxels"].mean() > 0


def test_what_is_not_defined_is_an_empty_cell(report_table):
    scores = read(report_table)
    (missed,) = scores[scores["missed"]].to_dict("records")
    assert (missed["organ"], missed["case"], missed["dsc"]) == ("gallbladder", "001", 0)
    assert pd.isna(missed["hd95_voxels"])
    assert pd.isna(missed["assd_mm"])


def test_patients_are_those_of_the_plan_and_else_the_cases(report_table):
    plan = report_table.results.plan | {"patients": {"000": "p7", "001": "p7"}}
    results = dataclasses.replace(report_table.results, plan=plan)
    scores = case_scores(results)
    named = dict(zip(scores["case"], scores["patient"], strict=True))
    assert named == {"000": "p7", "001": "p7", "002": "002"}


def test_names_are_no_formulas(report_table):
    trials = tuple(dataclasses.replace(t, row=EVIL) for t in report_table.results.trials)
    results = dataclasses.replace(report_table.results, trials=trials)
    scores = read(dataclasses.replace(report_table, results=results))
    assert set(scores["row"]) == {f"'{EVIL}"}


def test_a_study_without_finished_trainings_has_a_heading(report_table):
    results = dataclasses.replace(report_table.results, trials=())
    assert to_scores_csv(dataclasses.replace(report_table, results=results)).count("\n") == 1
    assert list(case_scores(results).columns) == [*NAMES, *MEASURES.values()]
