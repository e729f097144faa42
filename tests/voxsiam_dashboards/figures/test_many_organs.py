"""Tables and figures of a study with more organs than a line holds."""

import dataclasses

import numpy as np
import pytest

from voxsiam.orchestration.studies.table import Row, Table
from voxsiam.training.recipe import Recipe
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.figures.organ_boxes import missed_by_row, organ_boxes
from voxsiam_dashboards.figures.surfaces import MOST_DRAWN, bodies_of
from voxsiam_dashboards.store.results import planned_organs
from voxsiam_dashboards.tables.files import to_csv
from voxsiam_dashboards.tables.report_table import MANY_ORGANS, build_table
from voxsiam_dashboards.tables.study_tables import organ_table

MANY = tuple(f"organ_{number:03}" for number in range(104))


def renamed(trial):
    """The same trial with 13 times as many organs; organ 50 is the worst, organ 51 was missed."""
    parts = [
        trial.cases.assign(
            organ=trial.cases["organ"].map(dict(zip(PAPER_ORGANS, names, strict=True)))
        )
        for names in np.reshape(MANY, (13, 8))
    ]
    import pandas as pd

    cases = pd.concat(parts, ignore_index=True)
    cases.loc[cases["organ"] == MANY[51], "missed"] = True
    final = {name: value for name, value in trial.final.items() if not name.startswith("dsc/")}
    final |= {f"dsc/{organ}": 0.9 for organ in MANY} | {f"dsc/{MANY[50]}": 0.1}
    return dataclasses.replace(trial, cases=cases, final=final)


@pytest.fixture(scope="module")
def report(results):
    plan = {**results.plan, "organs": list(MANY)}
    trials = tuple(renamed(trial) if trial.finished else trial for trial in results.trials)
    many = dataclasses.replace(results, plan=plan, trials=trials)
    rows = tuple(Row(label=label, recipe=Recipe()) for label in ("feature (1)", "feature (2)"))
    return build_table(Table(name="table3", number="", title="Many", rows=rows), many)


def test_the_worst_organ_comes_first(report):
    assert report.organs[0] == MANY[50]
    assert set(report.organs) == set(MANY)
    table = organ_table(report)
    assert table.header == ("Organ", "feature (1)", "feature (2)")
    assert len(table.body) == len(MANY)
    assert table.body[0][0] == "Organ 050"
    assert table.body[0][1].startswith("0.100")


def test_boxes_begin_with_the_worst_and_a_slider_leads_to_the_others(report):
    figure = organ_boxes(report)
    assert figure is not None
    layout = figure.to_plotly_json()["layout"]
    assert layout["xaxis"]["categoryarray"][0] == "Organ 050"
    assert len(layout["xaxis"]["categoryarray"]) == len(MANY)
    assert layout["xaxis"]["range"] == [-0.5, MANY_ORGANS - 0.5]
    assert layout["xaxis"]["rangeslider"]["thickness"] > 0


def test_missed_organs_are_counted_and_few_named(report):
    (line, *_) = missed_by_row(report)
    assert "organ 051" in line
    assert line.count(",") <= MANY_ORGANS


def test_every_organ_is_in_the_file(report):
    header, *lines = to_csv(report).splitlines()
    assert all(f"dsc_{organ}_mean" in header.split(",") for organ in MANY)
    assert len(lines) == 2


def test_the_largest_organs_are_drawn_in_space():
    label = np.zeros((40, 40, 40), np.uint8)
    for value in range(1, 41):
        label[value - 1, : value % 39 + 1] = value
    bodies = bodies_of([("truth", label)], (1.0, 1.0, 1.0), MANY)
    drawn = [surface.organ for surface in bodies.views[0].surfaces]
    assert 0 < len(drawn) <= MOST_DRAWN
    assert MANY[36] in drawn
    assert MANY[0] not in drawn


@pytest.mark.parametrize(
    "written", [None, "liver", [], {"a": 1}, ["x"] * 300, 7], ids=lambda value: repr(value)[:20]
)
def test_a_plan_that_names_no_organs_means_the_papers(written):
    assert planned_organs({"organs": written}) == PAPER_ORGANS
    assert planned_organs({}) == PAPER_ORGANS


def test_a_plan_names_its_organs():
    assert planned_organs({"organs": ["aorta", "lung", "aorta", 3]}) == ("aorta", "lung", "3")
