import dataclasses

import pytest

from tests.voxsiam_dashboards.prepared_store import prepared_set
from tests.voxsiam_dashboards.study_store import SHARES
from voxsiam.types import Split
from voxsiam_dashboards.store.run_splits import RunSplit, StudySplits, read_splits
from voxsiam_dashboards.store.study_reading import load_study
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_dashboards.tables.split_tables import case_table, check_table, row_table, run_table
from voxsiam_experiments import fig7


@pytest.fixture(scope="module")
def shares(shares_store):
    uri, parent = shares_store
    results = load_study(uri, parent)
    return build_table(fig7.TABLE, results), read_splits(uri, results)


def test_every_run_has_the_split_of_its_file(shares):
    _, splits = shares
    assert {(run.row, run.seed): run.split for run in splits.runs} == {
        (trial.row, trial.seed): trial.split for trial in SHARES
    }
    assert splits.notes == ()
    assert len(splits.widest.train) == 6


def test_runs_without_a_split_are_noted(store, results):
    splits = read_splits(store[1], results)
    assert splits.runs == ()
    assert splits.widest is None
    assert len(splits.notes) == len(results.trials)
    assert all("split.json" in note for note in splits.notes)


def test_a_case_names_the_shares_that_saw_it(shares):
    table = case_table(shares[0], shares[1], None)
    lines = {line[0]: line for line in table.body}
    assert [lines[f"c{n}"][3] for n in range(6)] == ["every row"] * 2 + ["60%"] * 4
    assert lines["v0"][2:4] == ("validation", "-")
    assert lines["000"][2:5] == ("test", "-", "8 of 8")
    assert lines["c0"][4] == "not visible from here"


def test_patients_and_organs_come_from_the_prepared_set(shares, tmp_path):
    table = case_table(shares[0], shares[1], prepared_set(tmp_path))
    lines = {line[0]: line for line in table.body}
    assert lines["c0"] == ("c0", "p-c0", "training", "every row", "7 of 8", "-")
    assert lines["c1"][4:] == ("8 of 8", "Duodenum")
    assert table.notes == ()


def test_rows_and_runs_count_their_cases(shares):
    report, splits = shares
    lines = {line[0]: line for line in row_table(report, splits).body}
    assert lines["Ours, 60%"] == ("Ours, 60%", "60%", "6", "1", "3", "2 of 2")
    assert lines["Ours, 100%"][2:5] == ("-", "-", "-")
    run = next(run for run in splits.runs if run.row == "Ours, 10%")
    assert run_table(run).body[0] == ("training", "2", "c0, c1")


def answers(splits, prepared=None):
    return [line[1] for line in check_table(splits, prepared).body]


def test_checks_hold_and_break(shares, tmp_path):
    _, splits = shares
    assert answers(splits) == ["holds"] * 3 + ["not visible from here"] * 4
    found = answers(splits, prepared_set(tmp_path))
    assert found[3:] == ["holds", "holds", "holds", "x9: no image"]
    assert answers(splits, prepared_set(tmp_path, checked=False))[5].startswith("not checked")
    one = RunSplit("a", 0, "r", Split(train=("c0", "c1"), test=("000",)))
    crossed = dataclasses.replace(one, split=Split(train=("c2",), test=("c2",)))
    assert answers(StudySplits((one, crossed)))[:3] == ["BROKEN"] * 3
    assert answers(StudySplits((crossed,)), prepared_set(tmp_path))[3].startswith("BROKEN: ")
