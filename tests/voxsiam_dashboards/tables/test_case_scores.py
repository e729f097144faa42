import csv
import dataclasses
import io
from statistics import fmean

import pytest

from tests.voxsiam_dashboards.study_store import EVIL, STUDY_ID
from voxsiam_dashboards.tables.case_scores import MEASURES, case_scores, to_scores_csv

NAMES = ["study", "row", "seed", "case", "patient", "organ"]


def read(report):
    return list(csv.DictReader(io.StringIO(to_scores_csv(report))))


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
    of_row = [line for line in read(report_table) if line["row"] == "feature (1)"]
    by_organ: dict[tuple, list[float]] = {}
    for line in of_row:
        by_organ.setdefault((line["seed"], line["organ"]), []).append(float(line["dsc"]))
    row = report_table.rows[0]
    assert fmean(map(fmean, by_organ.values())) == pytest.approx(row.cells["dsc"].mean)
    assert sum(line["missed"] == "True" for line in of_row) == sum(row.missed.values)
    liver = [line for line in of_row if line["organ"] == "liver"]
    assert all(float(line["hd95_mm"]) > float(line["hd95_voxels"]) > 0 for line in liver)


def test_what_is_not_defined_is_an_empty_cell(report_table):
    (missed,) = (line for line in read(report_table) if line["missed"] == "True")
    assert (missed["organ"], missed["case"], missed["dsc"]) == ("gallbladder", "001", "0.0")
    assert missed["hd95_voxels"] == missed["assd_mm"] == ""


def test_patients_are_those_of_the_plan_and_else_the_cases(report_table):
    plan = report_table.results.plan | {"patients": {"000": "p7", "001": "p7"}}
    scores = case_scores(dataclasses.replace(report_table.results, plan=plan))
    named = dict(zip(scores["case"], scores["patient"], strict=True))
    assert named == {"000": "p7", "001": "p7", "002": "002"}


def test_names_are_no_formulas(report_table):
    trials = tuple(dataclasses.replace(t, row=EVIL) for t in report_table.results.trials)
    results = dataclasses.replace(report_table.results, trials=trials)
    lines = read(dataclasses.replace(report_table, results=results))
    assert {line["row"] for line in lines} == {f"'{EVIL}"}


def test_a_study_without_finished_trainings_has_a_heading(report_table):
    results = dataclasses.replace(report_table.results, trials=())
    assert to_scores_csv(dataclasses.replace(report_table, results=results)).count("\n") == 1
    assert list(case_scores(results).columns) == [*NAMES, *MEASURES.values()]
