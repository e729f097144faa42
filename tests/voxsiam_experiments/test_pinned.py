"""What the paper prints and how it trains, pinned here: its text need not lie beside the checkout.

`printed.csv` was read from the paper's tables and is compared with its text where that is there
(`test_studies.py`).
"""

import csv
from pathlib import Path

import pytest

from voxsiam.losses.config import ContrastiveConfig
from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments.presets import PRESETS
from voxsiam_experiments.recipes import supervised_contrastive, voxel_simsiam
from voxsiam_experiments.studies import TABLES

PINNED = list(csv.DictReader((Path(__file__).parent / "printed.csv").open()))


@pytest.mark.parametrize("study", TABLES)
def test_every_printed_figure_is_the_papers(study):
    pinned = [line for line in PINNED if line["study"] == study]
    rows = TABLES[study].rows
    assert [line["row"] for line in pinned] == [row.label for row in rows]
    for line, row in zip(pinned, rows, strict=True):
        figures = {"dsc": row.printed.dsc, "hd95": row.printed.hd95, "assd": row.printed.assd}
        figures |= {organ: row.printed.organs.get(organ) for organ in PAPER_ORGANS}
        assert figures == {name: float(line[name]) if line[name] else None for name in figures}


def test_the_contrastive_baseline_is_trained_as_the_paper_and_wang_et_al_say():
    loss = supervised_contrastive().feature_loss
    assert loss is not None
    assert (loss.layers, loss.weight) == (3, 0.1)
    assert (loss.sampling.max_voxels, loss.sampling.max_false_negatives) == (1700, 1000)
    assert isinstance(loss.relation, ContrastiveConfig)
    assert loss.relation.max_negatives == 1700
    assert loss.relation.temperature == 0.1
    assert loss.relation.hidden_dim == 64


@pytest.mark.parametrize(("layers", "weight"), [(1, 100.0), (2, 10.0), (3, 10.0)])
def test_lambda_is_the_papers(layers, weight):
    loss = voxel_simsiam(layers=layers).feature_loss
    assert loss is not None
    assert (loss.layers, loss.weight) == (layers, weight)
    assert (loss.sampling.max_voxels, loss.sampling.max_false_negatives) == (1700, 1000)


def test_the_papers_size_is_the_papers():
    preset = PRESETS["paper"]
    # Printed as 128 x 128 x 64, h w d; our axes are d h w.
    assert preset.grid_dhw == (64, 128, 128)
    assert (preset.epochs, preset.width, preset.seeds) == (500, 64, 5)
    assert preset.test_fraction == pytest.approx(20 / 90)
    assert preset.validation_fraction == 0
    assert (preset.cases, preset.scales_budgets) == (None, False)
    recipe = preset.apply(voxel_simsiam(), preset.grid_dhw)
    assert (recipe.batch_size, recipe.optimiser.learning_rate) == (4, 1e-3)
    assert (recipe.optimiser.weight_decay, recipe.optimiser.schedule_power) == (1e-5, 0.9)
    assert recipe.with_changes(numerics=voxel_simsiam().numerics) == voxel_simsiam()
