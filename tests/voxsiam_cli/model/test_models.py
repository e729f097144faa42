"""voxsiam models: what it says of each network."""

import json

import pytest
from typer.testing import CliRunner

from voxsiam.models.network_config import LEVELS, PAPER_WIDTH
from voxsiam_cli.app import app

ROWS = {
    "unet3d": (16_319_211, 16_313_769, 16_313_314, "16.313M", [512, 256, 128, 64]),
    "residual_unet3d": (
        141_244_875, 141_229_257, 141_228_802, "141.229M", [1024, 512, 256, 128, 64],
    ),
    "vnet": (9_448_985, 9_448_985, 9_448_866, "9.449M", [256, 128, 64, 32, 16]),
    "attention_unet3d": (16_836_332, 16_836_332, 16_835_877, "16.836M", [512, 256, 128, 64]),
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    result = CliRunner().invoke(app, ["models", "--json"])
    assert result.exit_code == 0
    return {row["name"]: row for row in json.loads(result.output)}


def test_json_holds_the_exact_counts_and_the_levels(rows):
    keys = ("parameters", "as_paper", "as_paper_2_outputs", "printed", "feature_channels")
    assert {name: tuple(row[key] for key in keys) for name, row in rows.items()} == ROWS
    assert {name: row["width"] for name, row in rows.items()} == PAPER_WIDTH
    assert {name: row["encoder_levels"] for name, row in rows.items()} == LEVELS
    assert {row["outputs"] for row in rows.values()} == {9}


def test_the_table_shows_both_counts_beside_the_printed_one():
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    for everything, by_rule, two_outputs, printed, _ in ROWS.values():
        for shown in (f"{everything:,}", f"{by_rule:,}", f"{two_outputs:,}", printed):
            assert shown in result.output
    assert "thop" in result.output
