import dataclasses

import pytest

from tests.voxsiam_dashboards.study_store import EVIL
from voxsiam_dashboards.figures.learning_curves import learning_curves, mean_curve


def drawn(figure):
    assert figure is not None
    content = figure.to_plotly_json()
    return content["data"], content["layout"]


def without_curves(trial):
    return dataclasses.replace(trial, curves=trial.curves.iloc[:0])


def test_a_line_for_each_seed_and_one_for_their_mean(report_table):
    lines = [line for line in drawn(learning_curves(report_table))[0] if line["xaxis"] == "x2"]
    names = [line["name"] for line in lines]
    assert names[:3] == ["feature (1), seed 0", "feature (1), seed 1", "feature (1)"]
    first, second, mean = lines[:3]
    halves = [(a + b) / 2 for a, b in zip(first["y"], second["y"], strict=True)]
    assert list(mean["y"]) == pytest.approx(halves)
    assert first["line"]["width"] < mean["line"]["width"]
    trial = report_table.rows[0].trials[0]
    assert dict(zip(first["x"], first["y"], strict=True)) == trial.curve("validation/dsc")


def test_one_seed_is_its_own_mean_and_labels_are_text(report_table):
    names = [line["name"] for line in drawn(learning_curves(report_table))[0]]
    escaped = EVIL.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert names.count(escaped.replace("'", "&#x27;")) == 2
    assert not any("<script>" in name for name in names)


def test_each_row_stands_once_in_the_legend(report_table):
    lines, _ = drawn(learning_curves(report_table))
    legend = [line["name"] for line in lines if line["showlegend"]]
    assert len(legend) == len(set(legend)) == 3


def test_the_mean_goes_as_far_as_every_seed():
    assert mean_curve([{1: 2.0, 2: 4.0, 3: 1.0}, {1: 4.0, 2: 0.0}]) == {1: 3.0, 2: 2.0}


def test_panels_without_a_curve_are_left_out(report_table):
    trial = report_table.rows[0].trials[0]
    loss_only = dataclasses.replace(
        trial, curves=trial.curves[trial.curves["metric"] == "train/loss"]
    )
    row = dataclasses.replace(report_table.rows[0], trials=(loss_only,))
    figure = learning_curves(dataclasses.replace(report_table, rows=(row,)))
    assert [note["text"] for note in drawn(figure)[1]["annotations"]] == ["Training loss"]
    row = dataclasses.replace(row, trials=(without_curves(trial),))
    assert learning_curves(dataclasses.replace(report_table, rows=(row,))) is None
