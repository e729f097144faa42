import dataclasses
import statistics

import pytest

from tests.voxsiam_dashboards.study_store import EVIL, TABLE
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_dashboards.tables.rows import Cell, SeedValue


def cell(*values):
    return Cell(tuple(SeedValue(i, f"run{i}", value) for i, value in enumerate(values)))


def test_rows_stand_in_the_papers_order_with_its_figures(report_table):
    labels = ["feature (1)", "feature (2)", "feature (3)", EVIL]
    assert [row.label for row in report_table.rows] == labels
    printed = [
        [row.cells[k].printed for k in ("dsc", "hd95_grid", "assd_grid")]
        for row in report_table.rows
    ]
    assert printed[0] == [0.793, 3.210, 0.86]
    assert printed[3] == [None, None, None]


def test_mean_and_spread_come_from_the_runs(store, report_table):
    row = report_table.rows[0]
    for key, figure in row.cells.items():
        values = [
            store[0].get_run(seed.run_id).data.metrics[f"test/{key}"] for seed in figure.seeds
        ]
        assert len(values) == 2
        assert figure.mean == pytest.approx(sum(values) / 2)
        assert figure.sd == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert row.cells["dsc"].mean == pytest.approx(
        statistics.fmean(row.organs[organ].mean for organ in PAPER_ORGANS)
    )


def test_every_row_says_how_far_it_is(report_table):
    assert [row.seeds_text for row in report_table.rows] == ["2 of 2", "1 of 2", "0 of 2", "0 of 2"]
    assert report_table.rows[1].cells["dsc"].text.endswith("(1 seed)")
    for row in report_table.rows[2:]:
        assert row.cells["dsc"].text == row.missed_text == "not finished"
        assert all(row.organs[organ].text == "not finished" for organ in PAPER_ORGANS)


def test_missed_organs_are_counted_over_seeds(report_table):
    assert report_table.rows[0].missed_text == "1 of 48"
    assert report_table.rows[1].missed_text == "0 of 24"


def test_the_text_of_a_figure():
    assert cell(0.8, 0.9).text == "0.850 ± 0.071"
    assert cell(0.8).text == "0.800 (1 seed)"
    assert cell().text == "not finished"
    assert cell(None).text == "undefined"
    assert (cell().mean, cell(0.8).sd) == (None, None)
    assert cell(0.8, None).text == "0.800 (1 seed)"
    assert (cell().printed_text, Cell((), 2.5).printed_text) == ("-", "2.500")


def test_the_difference_is_ours_minus_the_papers():
    ours = (SeedValue(0, "run0", 0.8), SeedValue(1, "run1", 0.9))
    assert Cell(ours, 0.8).difference == pytest.approx(0.05)
    assert (Cell(ours, 0.8).difference_text, Cell(ours, 1.0).difference_text) == (
        "+0.050",
        "-0.150",
    )
    assert Cell(ours).difference_text == Cell((), 0.8).difference_text == "-"


def test_an_undefined_score_is_no_figure(results):
    trial = next(t for t in results.trials if t.row == "feature (1)" and t.seed == 0)
    blind = dataclasses.replace(trial, final=trial.final | {"hd95_grid": float("nan")})
    table = build_table(TABLE, dataclasses.replace(results, trials=(blind,)))
    assert table.rows[0].cells["hd95_grid"].text == "undefined"
    assert table.rows[0].cells["dsc"].mean == trial.final["dsc"]


@pytest.mark.parametrize(("seeds", "planned"), [(5, 5), ([3, 4, 7], 3), (None, 2)])
def test_planned_seeds_are_the_plans_or_the_most_of_any_row(results, seeds, planned):
    plan = {k: v for k, v in results.plan.items() if k != "seeds"}
    plan |= {} if seeds is None else {"seeds": seeds}
    table = build_table(TABLE, dataclasses.replace(results, plan=plan))
    assert {row.planned for row in table.rows} == {planned}


def test_a_study_without_trials_still_gives_a_table(results):
    table = build_table(TABLE, dataclasses.replace(results, trials=(), plan={}))
    assert [row.seeds_text for row in table.rows] == ["0 of 0"] * 4


def test_a_distance_says_what_it_leaves_out_on_its_own_grid(report_table):
    row = dataclasses.replace(report_table.rows[0], missed=cell(2.0, 1.0), missed_native=cell(0.0))
    for key in ("hd95_grid", "assd_grid", "hd95_mm_grid"):
        assert row.figure_text(key).endswith(" (3 missed)")
    for key in ("dsc", "hd95_mm_native"):
        assert "missed" not in row.figure_text(key)
    native = dataclasses.replace(row, missed=cell(0.0), missed_native=cell(4.0))
    assert native.figure_text("hd95_mm_native").endswith(" (4 missed)")
    assert "missed" not in native.figure_text("hd95_mm_grid")
