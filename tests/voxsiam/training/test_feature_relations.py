"""The terms of a batch against the slow copies, on the voxels that were drawn."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests import reference
from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.losses.config import ContrastiveConfig, SamplingConfig, SimSiamConfig
from voxsiam.losses.voxel_simsiam import unit_rows
from voxsiam.training.batch import Moment, read_batches
from voxsiam.training.contrastive_relation import ContrastiveRelation
from voxsiam.training.loop import build_objective
from voxsiam.training.simsiam_relation import SimSiamRelation
from voxsiam.training.voxel_draw import VoxelDraw
from voxsiam.types import PAPER_ORGANS

CLASSES = len(PAPER_ORGANS) + 1
MOMENT = Moment(0, 1, 2)


def make_objective(relation, **changes):
    recipe = make_recipe(layers=3)
    assert recipe.feature_loss is not None
    loss = recipe.feature_loss.model_dump() | {"relation": relation, **changes}
    recipe = recipe.with_changes(feature_loss=loss)
    return build_objective(recipe, 0, torch.device("cpu")).double()


def drawn_levels(objective, cases="abcd"):
    """The levels of one batch as the relation receives them."""
    (batch,) = read_batches([tuple(cases)], make_volume, 0, 1)
    output = objective.network(batch.images.double())
    config = objective.heads.config
    draw = VoxelDraw(batch, output.logits, MOMENT, config)
    strides = objective.network.feature_strides
    return [draw.level(i, output.features[i], strides[i]) for i in range(config.layers)]


def heads_outputs(relation, levels):
    """p, z and class of each drawn voxel, level by level, as plain arrays."""
    rows = []
    for heads, level in zip(relation.heads, levels, strict=True):
        p, z = heads(level.features[level.chosen])
        rows.append(
            (p.detach().numpy(), z.detach().numpy(), level.candidates.classes[level.chosen])
        )
    return rows


@pytest.mark.parametrize("reduction", ["mean", "global_mean"])
@pytest.mark.parametrize("without_self", [False, True])
def test_each_level_is_the_pair_loop(reduction, without_self):
    config = SimSiamConfig(hidden_dim=8, pair_reduction=reduction, exclude_self_pairs=without_self)
    objective = make_objective(config, layer_weights=(1.0, 0.5, 2.0))
    levels = drawn_levels(objective)
    assert isinstance(objective.heads, SimSiamRelation)
    found = objective.heads(levels).shares
    rows = heads_outputs(objective.heads, levels)
    for layer, (weight, (p, z, classes)) in enumerate(zip((1.0, 0.5, 2.0), rows, strict=True)):
        expected = weight * reference.voxel_simsiam(
            p, z, classes.tolist(), reduction=reduction, without_self=without_self
        )
        assert found[f"layer_{layer + 1}"].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("output_dim", "compared_in"),
    [("hidden_dim", (8, 8, 8)), ("layer_channels", None), (5, (5,) * 3)],
)
def test_voxels_are_compared_in_the_space_that_is_asked_for(output_dim, compared_in):
    objective = make_objective(SimSiamConfig(hidden_dim=8, output_dim=output_dim))
    levels = drawn_levels(objective)
    assert isinstance(objective.heads, SimSiamRelation)
    found = objective.heads(levels).shares
    rows = heads_outputs(objective.heads, levels)
    expected = compared_in or objective.network.feature_channels[:3]
    assert tuple(z.shape[1] for _, z, _ in rows) == expected
    assert len(set(objective.network.feature_channels[:3])) == 3
    for layer, (p, z, classes) in enumerate(rows):
        loss = reference.voxel_simsiam(p, z, classes.tolist())
        assert found[f"layer_{layer + 1}"].item() == pytest.approx(loss, rel=1e-10)


def test_layers_of_different_spaces_cannot_be_compared_with_each_other():
    with pytest.raises(ValidationError, match="compare in one output_dim"):
        SimSiamConfig(output_dim="layer_channels", cross_layer=True)


@pytest.mark.parametrize("without_self", [False, True])
def test_cross_layer_pairs_are_those_of_all_levels_together(without_self):
    config = SimSiamConfig(hidden_dim=8, cross_layer=True, exclude_self_pairs=without_self)
    objective = make_objective(config)
    levels = drawn_levels(objective)
    assert isinstance(objective.heads, SimSiamRelation)
    found = objective.heads(levels).shares
    rows = heads_outputs(objective.heads, levels)
    p, z = (np.concatenate([row[i] for row in rows]) for i in (0, 1))
    classes = [c for row in rows for c in row[2].tolist()]
    expected = reference.voxel_simsiam(p, z, classes, without_self=without_self)
    assert set(found) == {"all_layers"}
    assert found["all_layers"].item() == pytest.approx(expected, rel=1e-10)


def inverse(frequency):
    return {c: (1 / n) / sum(1 / m for m in frequency.values()) for c, n in frequency.items()}


@pytest.mark.parametrize("counted_on", ["sampled", "all_voxels"])
def test_weights_over_all_levels_use_the_frequencies_of_all_levels(counted_on):
    config = SimSiamConfig(
        hidden_dim=8, weights_counted_over="all_layers", weights_counted_on=counted_on
    )
    objective = make_objective(config)
    levels = drawn_levels(objective)
    assert isinstance(objective.heads, SimSiamRelation)
    found = objective.heads(levels).shares["layer_1"].item()
    together = torch.zeros(CLASSES)
    for level in levels:
        counted = level.chosen if counted_on == "sampled" else level.candidates.eligible
        together += torch.bincount(level.candidates.classes[counted], minlength=CLASSES)
    p, z, classes = heads_outputs(objective.heads, levels)[0]
    present = sorted(set(classes.tolist()))
    weights = inverse({c: together[c].item() for c in present})
    expected = 0.0
    for c in present:
        own = [i for i, k in enumerate(classes.tolist()) if k == c]
        pairs = [reference.cosine(p[i], z[j]) for i in own for j in own]
        expected -= weights[c] * sum(pairs) / len(pairs)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("negatives", ["uniform", "uniform_and_anchors", "uniform_per_class"])
def test_the_contrastive_term_is_the_pair_loop(negatives):
    config = ContrastiveConfig(
        hidden_dim=8, output_dim=6, negatives=negatives, max_negatives=40, normalise_heads=False
    )
    objective = make_objective(config)
    levels = drawn_levels(objective)
    relation = objective.heads
    assert isinstance(relation, ContrastiveRelation)
    found = relation(levels).shares
    for layer, (head, level) in enumerate(zip(relation.heads, levels, strict=True)):
        classes = level.candidates.classes
        rows = unit_rows(head(level.features)).detach().numpy()
        anchor = torch.zeros(len(classes), dtype=torch.bool)
        anchor[level.chosen] = True
        order = level.second_keys().argsort().tolist()
        repels = np.zeros((len(classes), CLASSES), dtype=bool)
        for c in range(CLASSES):
            pool = [i for i in order if classes[i] != c or negatives != "uniform_per_class"][:40]
            if negatives == "uniform_and_anchors":
                pool += level.chosen.tolist()
            repels[[i for i in pool if classes[i] != c], c] = True
        expected = reference.supervised_contrastive(
            rows, classes.tolist(), anchor.tolist(), repels, 0.1
        )
        assert found[f"layer_{layer + 1}"].item() == pytest.approx(expected, rel=1e-9)


def test_background_can_be_left_out_and_impure_cells_too():
    objective = make_objective(SimSiamConfig(hidden_dim=8), include_background=False, purity=0.9)
    levels = drawn_levels(objective)
    everywhere = drawn_levels(make_objective(SimSiamConfig(hidden_dim=8)))
    for level, whole in zip(levels, everywhere, strict=True):
        assert (level.candidates.classes[level.chosen] > 0).all()
        assert level.candidates.eligible.sum() < whole.candidates.eligible.sum()


def test_budgets_of_a_case_do_not_depend_on_the_other_cases():
    sampling = SamplingConfig(max_voxels=20, max_false_negatives=5, scope="case")
    objective = make_objective(SimSiamConfig(hidden_dim=8), sampling=sampling)
    together, alone = drawn_levels(objective, "abc"), drawn_levels(objective, "a")
    for many, one in zip(together, alone, strict=True):
        first = many.chosen[many.chosen < len(one.features)]
        assert torch.equal(first, one.chosen)


def test_figures_count_the_draw_and_show_the_cosines():
    objective = make_objective(SimSiamConfig(hidden_dim=8))
    levels = drawn_levels(objective)
    assert objective.heads is not None
    figures = objective.heads(levels).figures
    for layer, level in enumerate(levels):
        name = f"layer_{layer + 1}"
        drawn = figures[f"sampled/{name}"]
        assert drawn.shape == (CLASSES,)
        assert drawn.sum() == len(level.chosen)
        wrong = level.candidates.false_negative[level.chosen].sum().item()
        assert figures[f"sampled_false_negatives/{name}"].item() == wrong
        assert -1 <= figures[f"cosine_between_classes/{name}"].item() <= 1
        assert 0 <= figures[f"cosine_within_class/{name}"].item() <= 1 + 1e-9
