import csv
import dataclasses
import io
import json
import re

import pytest
from rich.console import Console

from tests.voxsiam_dashboards.study_store import EVIL
from voxsiam_dashboards.tables.files import side_by_side, to_csv, to_json, to_latex, to_markdown


def csv_lines(table):
    return list(csv.DictReader(io.StringIO(to_csv(table))))


def test_csv_holds_the_full_figures(report_table):
    line = csv_lines(report_table)[0]
    figure = report_table.rows[0].cells["hd95_grid"]
    assert float(line["hd95_grid_voxels_mean"]) == figure.mean
    assert float(line["hd95_grid_voxels_sd"]) == figure.sd
    assert float(line["hd95_grid_voxels_paper"]) == 3.210
    assert float(line["hd95_grid_voxels_minus_paper"]) == pytest.approx(figure.mean - 3.210)
    assert (line["missed_organs"], line["scored_organs"]) == ("1.0", "48.0")
    assert float(line["dsc_liver_mean"]) == report_table.rows[0].organs["liver"].mean


def test_csv_leaves_gaps_and_never_drops_a_row(report_table):
    lines = csv_lines(report_table)
    assert len(lines) == 4
    assert lines[1]["dsc_sd"] == ""
    assert lines[2]["dsc_mean"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " ="])
def test_csv_text_cannot_become_a_formula(report_table, start):
    row = dataclasses.replace(report_table.rows[0], label=f"{start}1+1")
    lines = csv_lines(dataclasses.replace(report_table, rows=(row,)))
    assert lines[0]["row"] == f"'{start}1+1"


def test_markdown_rows_keep_their_columns(report_table):
    lines = [line for line in to_markdown(report_table).splitlines() if line.startswith("|")]
    columns = [len(re.split(r"(?<!\\)\|", line)) - 2 for line in lines]
    # Header, rule and four rows: ours and the paper's, both, over patients, over seeds, mm, organs.
    assert columns[:-11] == [n for n in (12, 7, 6, 5, 6, 9) for _ in range(6)]
    # Two settings differ between three rows that have started; what it cost has a line of sums.
    assert columns[-11:] == [4] * 4 + [10] * 7
    assert "<script>" not in to_markdown(report_table)
    assert "0.793" in lines[2]


def test_latex_escapes_what_has_a_meaning(report_table):
    latex = to_latex(report_table)
    assert r"50\% \$x\_1\$ \& \{b\}" in latex
    assert r"\textless{}script\textgreater{}" in latex
    assert "±" not in latex
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 8
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    cells = [len(re.split(r"(?<!\\)&", row)) for row in rows]
    assert cells[:-9] == [n for n in (12, 7, 6, 5, 6, 9) for _ in range(5)]
    assert cells[-9:] == [4] * 3 + [10] * 6
    assert r"$\pm$" in rows[1]


def test_json_holds_the_seeds_behind_every_figure(report_table):
    content = json.loads(to_json(report_table))
    row, source = content["rows"][0], report_table.rows[0]
    assert row["measures"]["dsc"]["printed"] == 0.793
    assert row["measures"]["dsc"]["ours_minus_printed"] == source.cells["dsc"].difference
    assert row["distances_mm"]["hd95_mm_native"]["mean"] > 0
    seeds = row["measures"]["dsc"]["seeds"]
    assert [seed["mlflow_run_id"] for seed in seeds] == [t.run_id for t in source.trials]
    assert row["measures"]["dsc"]["mean"] == pytest.approx(sum(s["value"] for s in seeds) / 2)
    assert row["trials"][0]["fingerprints"]["data"] == "d" * 16
    assert content["study"]["data_kind"] == "phantom"
    assert content["rows"][3]["label"] == EVIL


def test_json_has_no_nan(report_table):
    plan = {"data": {"kind": "real"}, "odd": [float("nan"), float("inf")]}
    results = dataclasses.replace(report_table.results, plan=plan)
    text = to_json(dataclasses.replace(report_table, results=results))
    assert json.loads(text, parse_constant=pytest.fail)["study"]["plan"]["odd"] == [None, None]


def test_terminal_shows_ours_and_the_papers(report_table):
    row = dataclasses.replace(report_table.rows[0], label="[bold]feature[/]")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(side_by_side(dataclasses.replace(report_table, rows=(row,))))
    text = console.export_text()
    assert "[bold]feature[/]" in text
    assert report_table.rows[0].cells["dsc"].text in text
    assert "0.793" in text
    assert report_table.rows[0].cells["dsc"].difference_text in text
    assert "HD95 (grid voxels)" in text
