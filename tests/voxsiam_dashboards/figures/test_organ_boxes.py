import dataclasses

import pytest

from voxsiam_dashboards.figures.organ_boxes import case_means, missed_by_row, organ_boxes
from voxsiam_dashboards.tables.rows import MEASURES


def drawn(figure):
    assert figure is not None
    content = figure.to_plotly_json()
    return content["data"], content["layout"]


def test_cases_are_averaged_over_seeds(report_table):
    row = report_table.rows[0]
    seeds = []
    for trial in row.trials:
        chosen = (trial.cases["organ"] == "liver") & (trial.cases["case_id"] == "001")
        seeds.append(float(trial.cases.loc[chosen, "dsc"].iloc[0]))
    assert case_means(row, "dsc")["liver", "001"] == pytest.approx(sum(seeds) / 2)
    assert len(case_means(row, "dsc")) == 8 * 3


def test_boxes_hold_a_point_for_each_case(report_table):
    boxes, layout = drawn(organ_boxes(report_table))
    assert [box["name"] for box in boxes] == ["feature (1)", "feature (2)"] * 3
    assert len(boxes[0]["y"]) == 8 * 3
    assert set(boxes[0]["x"]) == set(layout["xaxis"]["categoryarray"])
    assert organ_boxes(dataclasses.replace(report_table, rows=report_table.rows[2:])) is None


def test_boxes_show_labels_and_cases_as_text(report_table):
    trial = report_table.rows[0].trials[0]
    named = dataclasses.replace(trial, cases=trial.cases.assign(case_id="<b>"))
    row = dataclasses.replace(report_table.rows[0], label="<i>", trials=(named,))
    boxes, _ = drawn(organ_boxes(dataclasses.replace(report_table, rows=(row,))))
    assert boxes[0]["name"] == "&lt;i&gt;"
    assert set(boxes[0]["text"]) == {"&lt;b&gt;"}


def test_a_button_for_each_measure_shows_its_boxes_alone(report_table):
    boxes, layout = drawn(organ_boxes(report_table))
    assert [box["visible"] for box in boxes] == [True, True, False, False, False, False]
    (menu,) = layout["updatemenus"]
    assert [button["label"] for button in menu["buttons"]] == ["DSC", "HD95", "ASSD"]
    for place, (button, measure) in enumerate(zip(menu["buttons"], MEASURES, strict=True)):
        shown, axis = button["args"]
        expected = [index // 2 == place for index in range(6)]
        assert shown["visible"] == expected
        assert axis["yaxis.title.text"].startswith(measure.title)
        for box in boxes[2 * place : 2 * place + 2]:
            row = next(row for row in report_table.rows if row.label == box["name"])
            assert sorted(box["y"]) == sorted(case_means(row, measure.key).values())


def test_missed_organs_have_no_distance_and_are_named(report_table):
    row = report_table.rows[0]
    one_seed = dataclasses.replace(row, trials=row.trials[:1])
    assert ("gallbladder", "001") in case_means(one_seed, "dsc")
    assert ("gallbladder", "001") not in case_means(one_seed, "hd95_grid")
    assert missed_by_row(report_table) == ["feature (1): gallbladder 1"]
