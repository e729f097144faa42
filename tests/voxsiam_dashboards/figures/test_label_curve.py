import dataclasses

import pytest

from voxsiam.statistics.interval import Interval
from voxsiam_dashboards.figures.label_curve import (
    draw_label_curve,
    label_curve,
    label_curves,
    label_table,
)
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_experiments import fig7


@pytest.fixture(scope="module")
def curve_table(results):
    """Figure 7 with the trials of another table: two seeds at 10 %, one at 100 %."""
    names = {0: "3D U-Net, 10%", 1: "3D U-Net, 10%", 2: "3D U-Net, 100%"}
    done = [trial for trial in results.trials if trial.finished]
    trials = tuple(dataclasses.replace(trial, row=names[place]) for place, trial in enumerate(done))
    assert len(done) == len(names)
    return build_table(fig7.TABLE, dataclasses.replace(results, trials=trials))


@pytest.fixture(scope="module")
def with_interval(curve_table):
    """The same, with an interval of the first row alone."""
    found = curve_table.comparisons
    first, *others = (dataclasses.replace(each, interval=None) for each in found.rows)
    first = dataclasses.replace(first, interval=Interval(0.4, 0.6))
    return dataclasses.replace(
        curve_table, comparisons=dataclasses.replace(found, rows=(first, *others))
    )


def test_a_curve_for_each_method_with_growing_shares(with_interval):
    base, ours = label_curves(with_interval)
    assert (base.method, ours.method) == ("3D U-Net", "Ours")
    assert [point.percent for point in base.points] == pytest.approx([10, 100])
    assert ours.points == ()
    cell = with_interval.rows[0].cells["dsc"]
    assert base.points[0].mean == cell.mean
    assert base.points[0].seeds == tuple(cell.values)
    assert len(base.points[0].seeds) == 2
    assert base.band == ([pytest.approx(10)], [0.4], [0.6])


def test_the_papers_points_are_open_and_stand_where_it_prints_them(curve_table):
    base, ours = label_curves(curve_table)
    assert base.printed == ((pytest.approx(10), 0.431), (pytest.approx(100), 0.786))
    assert ours.printed == ((pytest.approx(10), 0.548), (pytest.approx(100), 0.806))
    figure = label_curve([base, ours])
    assert figure is not None
    traces = {trace["name"]: trace for trace in figure.to_plotly_json()["data"]}
    printed = traces["Ours, the paper&#x27;s figure"]
    assert list(printed["y"]) == [0.548, 0.806]
    assert printed["marker"]["symbol"] == "diamond-open"
    assert draw_label_curve([base, ours]) is not None


def test_every_row_of_the_paper_names_its_method():
    for row in fig7.TABLE.rows:
        assert row.label == f"{row.method}, {row.label_fraction:.0%}"


def test_a_study_of_one_share_has_no_curve(report_table):
    assert label_curves(report_table) == []
    assert label_curve([]) is None
    assert draw_label_curve([]) is None


def test_the_table_has_what_was_measured_and_what_is_printed(with_interval):
    table = label_table(label_curves(with_interval))
    mean = with_interval.rows[0].cells["dsc"].mean
    assert table.body[0] == (
        "3D U-Net", "10 %", f"{mean:.3f}", "2", "[0.400, 0.600]*", "0.431", f"{mean - 0.431:+.3f}",
    )  # fmt: skip
    assert [line[:2] for line in table.body] == [
        (method, share) for method in ("3D U-Net", "Ours") for share in ("10 %", "100 %")
    ]
    assert table.notes[0].startswith("* Too few patients (3)")
    assert table.body[-1][2:] == ("not finished", "0", "-", "0.806", "-")
