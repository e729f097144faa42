import csv
import json
import statistics
import subprocess
import sys

import numpy as np
import pytest
import typer

from tests.nifti_files import ras_affine, write_scan
from voxsiam.errors import UserError
from voxsiam.metrics.organ_score import MEASURES, OrganScore
from voxsiam.metrics.scoring_rules import empty_mask_policy
from voxsiam.types import PAPER_ORGANS
from voxsiam_cli.model.evaluate import evaluate
from voxsiam_data.labels.protocols import PROTOCOLS

AFFINE = ras_affine((1.0, 1.0, 2.0))


@pytest.fixture
def built():
    app = typer.Typer()
    app.command()(evaluate)
    return typer.main.get_command(app)


@pytest.fixture
def command(built):
    def run(*arguments):
        return built([str(argument) for argument in arguments], standalone_mode=False)

    return run


def box(values, start=0):
    volume = np.zeros((12, 10, 8), np.uint8)
    for place, value in enumerate(values):
        volume[start + 2 : start + 8, 2 + 2 * place : 4 + 2 * place, 2:6] = value
    return volume


@pytest.fixture
def folders(tmp_path):
    """Two cases. `b`: the liver is missed, a stomach invented."""
    write_scan(tmp_path / "ref" / "a.nii.gz", box([1, 5]), AFFINE)
    write_scan(tmp_path / "pred" / "a.nii.gz", box([1, 5], start=1), AFFINE)
    write_scan(tmp_path / "ref" / "b.nii.gz", box([1, 5]), AFFINE)
    write_scan(tmp_path / "pred" / "b.nii.gz", box([1, 0, 6]), AFFINE)
    return tmp_path


def sides(folder):
    return ("-p", folder / "pred", "-r", folder / "ref")


def as_json(capsys, command, *arguments):
    command(*arguments, "--json")
    text = capsys.readouterr().out
    assert "NaN" not in text
    return json.loads(text)


def lines_with(text, word):
    """Cells of the table lines that begin with a word."""
    lines = [line.strip("│┃ ").replace("┃", "│").split("│") for line in text.splitlines()]
    return [[cell.strip() for cell in line[1:]] for line in lines if line[0].strip() == word]


def test_shows_means_counts_and_policy(folders, command, capsys):
    command(*sides(folders))
    shown = capsys.readouterr().out
    # Spleen: 0 and one voxel of 1 mm; DSC 1 and 5/6.
    (spleen,) = lines_with(shown, "spleen")
    both = [1, 5 / 6]
    assert spleen[0] == f"{statistics.mean(both):.3f} ± {statistics.stdev(both):.3f}"
    assert spleen[3:] == ["2", "2", "0", "0"]
    (liver,) = lines_with(shown, "liver")
    assert liver[0] == f"{5 / 12:.3f} ± {statistics.stdev([0, 5 / 6]):.3f}"
    assert liver[3:] == ["1", "2", "1", "0"]
    (stomach,) = lines_with(shown, "stomach")
    assert stomach == ["0.000", "-", "-", "0", "0", "0", "1"]
    (overall,) = lines_with(shown, "mean of organs")
    assert overall[3:] == ["3", "4", "1", "1"]
    assert "±" not in overall[0]
    for rule in empty_mask_policy():
        cells = [rule.prediction, rule.dsc, rule.distances, rule.counted_as]
        assert cells in lines_with(shown, rule.reference)
    assert "2 cases" in shown


def test_json_holds_everything(folders, command, capsys):
    content = as_json(capsys, command, *sides(folders))
    assert content["organs"] == list(PAPER_ORGANS)
    assert (content["grid"], content["missed_distance"]) == (None, "left_out")
    assert len(content["scores"]) == 2 * len(PAPER_ORGANS)
    liver = [row for row in content["scores"] if row["organ"] == "liver"]
    assert [row["case_id"] for row in liver] == ["a", "b"]
    assert liver[0]["hd95_mm_native"] == 1.0
    assert liver[1]["hd95_mm_native"] is None
    assert liver[1]["missed_native"] is True
    assert liver[0]["dsc"] is None
    summary = content["summary"]
    assert summary.keys() > set(MEASURES)
    assert (summary["missed_organs_native"], summary["invented_organs_native"]) == (1, 1)
    assert summary["hd95_grid"] is None
    means = {row["organ"]: row for row in content["organ_means"]}
    assert means["liver"]["means"]["hd95_mm_native"] == {"value": 1.0, "count": 1}
    assert means["liver"]["native"] == {"scored": 2, "missed": 1, "invented": 0}
    assert len(content["empty_masks"]) == 4


def test_a_grid_adds_its_measures(folders, command, capsys):
    command(*sides(folders), "--grid", "5x6x4")
    shown = capsys.readouterr().out
    assert "On the grid 5x6x4" in shown
    assert len(lines_with(shown, "liver")) == 2
    content = as_json(capsys, command, *sides(folders), "--grid", "5x6x4")
    assert content["grid"] == "5x6x4"
    assert content["summary"]["hd95_grid"] is not None
    assert content["summary"]["missed_organs"] == 1


def test_a_missed_organ_may_cost_the_diagonal(folders, command, capsys):
    content = as_json(capsys, command, *sides(folders), "--missed-distance", "diagonal")
    (missed,) = [row for row in content["scores"] if row["missed_native"]]
    assert missed["hd95_mm_native"] == pytest.approx(np.hypot(np.hypot(11, 9), 14))
    command(*sides(folders), "--missed-distance", "diagonal")
    assert "diagonal of the grid" in capsys.readouterr().out


def test_the_reading_of_a_distance_can_be_chosen(folders, command, capsys):
    prediction, reference = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8)
    prediction[1:7, 1:7, 1:7] = reference[1:3, 1:3, 1:3] = 5
    paths = folders / "larger.nii.gz", folders / "smaller.nii.gz"
    for path, label in zip(paths, (prediction, reference), strict=True):
        write_scan(path, label, AFFINE)
    files = ("-p", str(paths[0]), "-r", str(paths[1]))
    plain = as_json(capsys, command, *files)
    chosen = ("--hd95", "larger-directed", "--assd", "pooled")
    other = as_json(capsys, command, *files, *chosen)
    assert plain["distances"] == {"hd95": "pooled", "assd": "mean_of_directed"}
    assert other["distances"] == {"hd95": "larger_directed", "assd": "pooled"}
    assert other["summary"]["hd95_mm_native"] > plain["summary"]["hd95_mm_native"]
    assert other["summary"]["assd_mm_native"] > plain["summary"]["assd_mm_native"]


def test_organs_can_be_chosen(folders, command, capsys):
    content = as_json(capsys, command, *sides(folders), "--organ", "liver", "--organ", "spleen")
    assert content["organs"] == ["spleen", "liver"]
    assert {row["organ"] for row in content["scores"]} == {"spleen", "liver"}
    assert content["summary"]["invented_organs_native"] == 0


def test_each_side_may_have_its_protocol(folders, command, capsys):
    names = ("--protocol", "btcv", "--prediction-protocol", "word")
    write_scan(folders / "x.nii.gz", box([2, 1, 5, 9]), AFFINE)
    write_scan(folders / "y.nii.gz", box([1, 6, 7]), AFFINE)
    files = ("-p", folders / "x.nii.gz", "-r", folders / "y.nii.gz")
    content = as_json(capsys, command, *files, *names)
    assert (content["protocol"], content["prediction_protocol"]) == ("btcv", "word")
    assert content["left_out"] == "duodenum"
    assert content["summary"]["dsc_native"] == 1.0
    command(*files, *names)
    assert "left out (not asked for, or not in the protocols): duodenum" in capsys.readouterr().out


def test_csv_has_a_line_for_each_case_and_organ(folders, command):
    for side in ("pred", "ref"):
        write_scan(folders / side / "=cmd().nii.gz", box([1, 5]), AFFINE)
    output = folders / "scores.csv"
    command(*sides(folders), "-o", output)
    with output.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(OrganScore.__dataclass_fields__)
    assert len(lines) == 3 * len(PAPER_ORGANS)
    assert {line["case_id"] for line in lines} == {"a", "b", "'=cmd()"}


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (["--protocol", "amos"], "no label protocol 'amos'", "amos22"),
        (["--prediction-protocol", "totalseg"], "no label protocol 'totalseg'", "voxsiam"),
        (["--organ", "livr"], "no organ 'livr'", "liver"),
        (["--protocol", "btcv", "--organ", "duodenum"], "cannot hold the organ", "leave"),
        (["--missed-distance", "diag"], "is none of", "diagonal"),
        (["--missed-distance", "zero"], "is none of", "left-out"),
        (["--hd95", "larger"], "is none of", "larger-directed"),
        (["--assd", "mean"], "is none of", "mean-of-directed"),
        (["--grid", "128"], "is not a grid", "128x128x64"),
        (["--grid", "0x128x64"], "not a usable grid", "2 to 1024"),
        (["--grid", "99999x99999x99999"], "not a usable grid", "2 to 1024"),
        (["-o", "nowhere/scores.csv"], "cannot be written", "folder that exists"),
        (["-o", "."], "cannot be written", "folder that exists"),
        (["--protocol", "flare22", "--organ", "duodenum"], "None of the references", "protocol"),
    ],
)
def test_bad_options_are_refused(folders, command, arguments, what, fix):
    with pytest.raises(UserError, match=what) as caught:
        command(*sides(folders), *arguments)
    assert fix in caught.value.fix


def test_no_scores_are_written_for_refused_cases(folders, command):
    write_scan(folders / "pred" / "b.nii.gz", box([200]), AFFINE)
    with pytest.raises(UserError, match=r"200 \(48 voxels\)"):
        command(*sides(folders), "-o", folders / "scores.csv")
    assert not (folders / "scores.csv").exists()


def test_help_names_every_protocol(built):
    (help_text,) = [getattr(one, "help", "") for one in built.params if one.name == "protocol"]
    for name in PROTOCOLS:
        assert name in help_text


def test_help_needs_no_heavy_library(child_environment):
    code = (
        "import sys, voxsiam_cli.model.evaluate;"
        "print(sorted({'numpy', 'torch', 'scipy', 'nibabel', 'ray'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=child_environment,
    )  # fmt: skip
    # numpy comes with the types.
    assert set(json.loads(run.stdout.replace("'", '"'))) <= {"numpy"}


def test_what_is_not_scored_is_named_and_shown_by_the_exit_code(folders, command, capsys):
    write_scan(folders / "ref/c/label.nii.gz", box([1, 5]), AFFINE)
    write_scan(folders / "ref/c/label2.nii.gz", box([1, 5]), AFFINE)
    write_scan(folders / "ref/c/image.nii.gz", box([1, 5]), AFFINE)
    write_scan(folders / "pred/c.nii.gz", box([1, 5]), AFFINE)
    (folders / "pred/d.img").write_bytes(b"")
    assert command(*sides(folders)) == 1
    shown = capsys.readouterr().out
    assert f"not used: {folders}/ref/c/label2.nii.gz (the labels of no case)" in shown
    assert f"not used: {folders}/pred/d.img (Analyze" in shown
    assert f"not used in {folders}/ref: c/image.nii.gz (a scan, not a label map)" in shown
    assert command(*sides(folders), "--json") == 1
    listed = json.loads(capsys.readouterr().out)["unused"]
    assert {(one["path"], one["is_lost"]) for one in listed} == {
        (f"{folders}/ref/c/label2.nii.gz", True),
        (f"{folders}/pred/d.img", True),
        (f"{folders}/ref/c/image.nii.gz", False),
    }
    assert not command(*sides(folders), "--ignore", "label2*", "--ignore", "*.img")
