import dataclasses

import pandas as pd
import pytest

from voxsiam.models.catalogue import build_network
from voxsiam_dashboards.store.results import CURVE_COLUMNS
from voxsiam_dashboards.tables.cost import COLUMNS, cost_table, row_costs, study_cost
from voxsiam_experiments.recipes import voxel_simsiam


def with_curves(trial, **figures):
    """Give a trial other figures: a list of values by epoch, under names with a slash for two _."""
    points = [
        (epoch, name.replace("__", "/"), value)
        for name, values in figures.items()
        for epoch, value in enumerate(values, start=1)
        if value is not None
    ]
    return dataclasses.replace(trial, curves=pd.DataFrame(points, columns=list(CURVE_COLUMNS)))


def with_rows(report, workers, *rows):
    """A study of rows of these trials, planned for so many workers."""
    made = tuple(dataclasses.replace(report.rows[0], trials=tuple(trials)) for trials in rows)
    results = dataclasses.replace(report.results, plan=report.results.plan | {"workers": workers})
    return dataclasses.replace(report, rows=made, results=results)


@pytest.fixture
def row_cost(report_table):
    """What a row of these trials costs, in a study that was planned for so many workers."""
    return lambda workers, *trials: row_costs(with_rows(report_table, workers, trials))[0]


@pytest.fixture
def row(report_table):
    """Two finished seeds."""
    return report_table.rows[0]


def test_time_is_the_sum_of_the_epochs_and_a_mean_over_runs(row, row_cost):
    first = with_curves(row.trials[0], seconds__epoch=[10.0, 20.0])
    second = with_curves(row.trials[1], seconds__epoch=[30.0, 40.0])
    cost = row_cost(2, first, dataclasses.replace(second, workers=4))
    assert cost.runs == 2
    assert cost.seconds_a_run == pytest.approx(50.0)
    # The first run does not tell its workers: the plan's count.
    assert cost.hours == pytest.approx((30 * 2 + 70 * 4) / 3600)
    assert cost.hours_text.endswith("CPU-hours")


def test_a_run_that_failed_cost_too_but_is_no_run_s_time(row, row_cost):
    done = with_curves(row.trials[0], seconds__epoch=[10.0, 20.0])
    cut = with_curves(row.trials[1], seconds__epoch=[3600.0])
    failed = dataclasses.replace(cut, status="FAILED")
    cost = row_cost(1, done, failed)
    assert cost.seconds_a_run == pytest.approx(30.0)
    assert cost.hours == pytest.approx(3630 / 3600)


def test_nothing_is_told_that_nobody_measured(row, row_cost):
    bare = with_curves(row.trials[0], seconds__epoch=[10.0])
    cost = row_cost(None, bare)
    assert (cost.hours, cost.process_mb, cost.device_mb, cost.energy_kj) == (None,) * 4
    assert cost.hours_text == cost.energy_text == "-"
    assert row_cost(2).runs == 0


def test_energy_with_gaps_is_no_energy(row, row_cost):
    whole = with_curves(row.trials[0], seconds__epoch=[1.0, 1.0], energy_kj__epoch=[2.0, 3.0])
    gap = with_curves(row.trials[1], seconds__epoch=[1.0, 1.0], energy_kj__epoch=[2.0, None])
    assert row_cost(1, whole).energy_kj == pytest.approx(5.0)
    assert row_cost(1, whole, gap).energy_kj is None


def test_gpus_are_told_apart(row, row_cost):
    figures = {"memory_mb__device": [900.0, 950.0], "energy_kj__device": [1.0, 2.0]}
    figures |= {"energy_kj__epoch": [4.0, 5.0], "memory_mb__process": [700.0, 600.0]}
    trial = with_curves(row.trials[0], seconds__epoch=[3600.0, 3600.0], **figures)
    trial = dataclasses.replace(trial, environment={"device": "NVIDIA X"}, workers=3)
    cost = row_cost(1, trial)
    assert (cost.process_mb, cost.device_mb, cost.devices) == (700.0, 950.0, ("NVIDIA X",))
    assert (cost.hours_text, cost.energy_text) == ("6 GPU-hours", "9 (GPUs 3)")


def test_what_another_study_trained_is_said_and_not_counted(report_table, row):
    linked = dataclasses.replace(row.trials[0], trained_in="table1")
    report = with_rows(report_table, 2, [linked], [row.trials[1]])
    cost = study_cost(report)
    assert cost.runs == 1
    assert cost.hours == pytest.approx(6 * 60 * 2 / 3600)
    table = cost_table(report)
    assert [line[-1] for line in table.body] == ["table1", "this study", "this study"]
    assert any("cost this one nothing" in note for note in table.notes)
    assert all(len(line) == len(COLUMNS) for line in table.body)


def test_parameters_are_those_of_the_network_without_heads(row, row_cost):
    recipe = voxel_simsiam()
    small = recipe.network.model_copy(update={"width": 4})
    trial = dataclasses.replace(
        row.trials[0], recipe=recipe.with_changes(network=small).model_dump(mode="json")
    )
    expected = sum(p.numel() for p in build_network(small).parameters())
    assert row_cost(1, trial).parameters == expected
    foreign = dataclasses.replace(trial, recipe={"network": {"name": "__import__"}})
    assert row_cost(1, foreign).parameters is None
    assert row_cost(1, trial, foreign).parameters is None
