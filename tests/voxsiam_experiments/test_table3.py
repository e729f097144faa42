import pytest

from voxsiam.losses.config import SamplingConfig
from voxsiam_experiments.presets import PAPER_GRID_DHW, PRESETS
from voxsiam_experiments.recipes import LAMBDA, unet3d, voxel_simsiam
from voxsiam_experiments.table3 import TABLE

PRINTED = {
    "feature (1)": (0.793, 3.210, 0.86),
    "feature (2)": (0.797, 2.895, 0.761),
    "feature (3)": (0.806, 2.461, 0.681),
}


def test_rows_and_printed_numbers_are_the_papers():
    found = {r.label: (r.printed.dsc, r.printed.hd95, r.printed.assd) for r in TABLE.rows}
    assert found == PRINTED


def test_the_rows_differ_in_layers_and_lambda_alone():
    recipes = [row.recipe for row in TABLE.rows]
    losses = [recipe.feature_loss for recipe in recipes]
    assert all(loss is not None for loss in losses)
    assert [loss.layers for loss in losses if loss] == [1, 2, 3]
    assert [loss.weight for loss in losses if loss] == [100, 10, 10]
    assert LAMBDA == {1: 100, 2: 10, 3: 10}
    assert len({recipe.with_changes(feature_loss=None).fingerprint() for recipe in recipes}) == 1


def test_the_baseline_is_the_method_without_its_loss():
    assert voxel_simsiam(layers=3).with_changes(feature_loss=None) == unet3d()


def test_the_paper_preset_is_the_papers_training():
    recipe = PRESETS["paper"].apply(TABLE.rows[2].recipe, PAPER_GRID_DHW)
    assert recipe.network.width == 64
    assert (recipe.epochs, recipe.batch_size) == (500, 4)
    assert (recipe.optimiser.learning_rate, recipe.optimiser.weight_decay) == (1e-3, 1e-5)
    assert recipe.optimiser.schedule_power == 0.9
    assert recipe.feature_loss is not None
    assert recipe.feature_loss.relation.hidden_dim == 64
    assert recipe.feature_loss.sampling == SamplingConfig(max_voxels=1700, max_false_negatives=1000)


@pytest.mark.parametrize(("preset", "budgets"), [("tiny", (53, 31)), ("mini", (120, 70))])
def test_budgets_stay_the_same_share_of_smaller_grids(preset, budgets):
    size = PRESETS[preset]
    loss = size.apply(TABLE.rows[0].recipe, size.grid_dhw).feature_loss
    assert loss is not None
    assert (loss.sampling.max_voxels, loss.sampling.max_false_negatives) == budgets


def test_the_paper_preset_keeps_its_budgets_on_any_grid():
    loss = PRESETS["paper"].apply(TABLE.rows[0].recipe, (32, 48, 48)).feature_loss
    assert loss is not None
    assert loss.sampling == SamplingConfig()
