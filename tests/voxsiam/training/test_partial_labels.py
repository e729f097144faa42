"""Organs that nobody annotated in a case: neither trained as background nor scored."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import reference
from tests.voxsiam.inference.small_models import class_scores
from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.losses.config import DiceConfig, FeatureLossConfig
from voxsiam.losses.partial_labels import merge_unannotated
from voxsiam.training.batch import Moment, read_batches
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import build_objective, score_cases
from voxsiam.training.objective import Objective
from voxsiam.training.voxel_draw import VoxelDraw
from voxsiam.types import PAPER_ORGANS

ALL_BUT_DUODENUM = PAPER_ORGANS[:-1]
DUODENUM = 8
MOMENT = Moment(0, 0, 0)


def unlabelled(case_id):
    """A case whose duodenum was never annotated: its voxels say background."""
    volume = make_volume(case_id)
    label = np.where(volume.label == DUODENUM, 0, volume.label).astype(np.uint8)
    return replace(volume, label=label, annotated=ALL_BUT_DUODENUM)


def batch_of(load, cases=("a", "b")):
    (batch,) = read_batches([cases], load, 0, 1)
    return batch


def example(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 2, 3, 2, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.tensor([[True, True, False, True], [True] * 4])


def test_probabilities_are_merged_voxel_by_voxel():
    logits, annotated = example()
    before, after = logits.softmax(1), merge_unannotated(logits, annotated).softmax(1)
    torch.testing.assert_close(after[0, 0], before[0, 0] + before[0, 2], atol=1e-14, rtol=0)
    torch.testing.assert_close(after[0, [1, 3]], before[0, [1, 3]], atol=1e-14, rtol=0)
    assert not after[0, 2].any()
    torch.testing.assert_close(after[1], before[1], atol=1e-14, rtol=0)


def test_the_gradient_is_that_of_the_merged_probabilities():
    logits, annotated = example()
    weights = torch.randn(2, 4, 2, 3, 2, dtype=torch.float64)
    found = (merge_unannotated(logits, annotated).softmax(1) * weights).sum()
    p = logits.softmax(1)
    merged = torch.stack([p[0, 0] + p[0, 2], p[0, 1], torch.zeros_like(p[0, 0]), p[0, 3]])
    expected = (torch.stack([merged, p[1]]) * weights).sum()
    (ours,) = torch.autograd.grad(found, logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, logits)
    assert ours.isfinite().all()
    torch.testing.assert_close(ours, theirs, atol=1e-14, rtol=0)


def test_extreme_scores_stay_finite():
    logits = torch.full((1, 3, 1, 1, 1), 1e4, requires_grad=True)
    merged = merge_unannotated(logits, torch.tensor([[True, True, False]]))
    merged.softmax(1)[:, 0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("over_classes", ["sum", "mean"])
@pytest.mark.parametrize("include_background", [True, False])
def test_dice_is_that_of_a_network_without_the_class(over_classes, include_background):
    """Merging by hand and leaving the class out of Eq. 3 gives the same number."""
    config = DiceConfig(over_classes=over_classes, include_background=include_background)
    objective, batch = objective_with(config), batch_of(unlabelled)
    found = objective(batch, MOMENT).terms["dice_loss"].item()
    logits = objective.network(batch.images).logits.detach().double()
    p = logits.softmax(1)
    without = torch.cat([p[:, :1] + p[:, 8:], p[:, 1:8]], 1).log().flatten(2)
    losses = reference.soft_dice_loss(
        without.numpy(),
        batch.labels.flatten(1).numpy(),
        config.epsilon,
        first_class=0 if include_background else 1,
    )
    classes = 8 if include_background else 7
    expected = np.mean(losses) / (classes if over_classes == "mean" else 1)
    assert found == pytest.approx(expected, abs=1e-5)


def test_batch_wise_dice_counts_a_class_that_some_case_shows():
    config = DiceConfig(sums_over="batch")
    cases = {"a": unlabelled, "b": make_volume}
    objective = objective_with(config)
    for cases in ({"a": unlabelled, "b": make_volume}, {"a": unlabelled, "b": unlabelled}):
        batch = batch_of(lambda c, cases=cases: cases[c](c))
        assert batch.annotated is not None
        merged = merge_unannotated(objective.network(batch.images).logits, batch.annotated)
        (of_all_classes,) = reference.soft_dice_loss(
            merged.detach().flatten(2).double().numpy(),
            batch.labels.flatten(1).numpy(),
            config.epsilon,
            together=True,
        )
        # A class that is neither predicted nor labelled adds 1 to the formula.
        expected = of_all_classes - (not batch.annotated[:, DUODENUM].any())
        found = objective(batch, MOMENT).terms["dice_loss"].item()
        assert found == pytest.approx(expected, abs=1e-5)


def objective_with(config) -> Objective:
    recipe = make_recipe(layers=0).with_changes(dice=config)
    return build_objective(recipe, 0, torch.device("cpu"))


def test_it_does_not_matter_where_the_network_sees_the_unlabelled_organ():
    """Probability that moves between background and that organ changes neither loss nor draw."""
    objective, batch = objective_with(DiceConfig()), batch_of(unlabelled)
    weight, bias = last_convolution(objective.network)
    before = objective(batch, MOMENT).terms["dice_loss"]
    with torch.no_grad():
        exp = bias[[0, DUODENUM]].exp().sum()
        # Equal weights for both classes make their sum a function of the sum of exp(bias).
        weight[DUODENUM] = weight[0]
        joint = objective(batch, MOMENT).terms["dice_loss"]
        bias[0], bias[DUODENUM] = (exp * 0.9).log(), (exp * 0.1).log()
    after = objective(batch, MOMENT).terms["dice_loss"]
    assert after.item() == pytest.approx(joint.item(), abs=1e-6)
    assert before.isfinite()


def last_convolution(network):
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv3d)][-1]
    assert last.bias is not None
    return last.weight, last.bias


def test_background_is_drawn_only_where_every_organ_was_annotated():
    cases = {"a": unlabelled, "b": make_volume}
    batch = batch_of(lambda c: cases[c](c))
    logits = torch.zeros(2, 9, 16, 16, 16)
    feature = torch.zeros(2, 4, 16, 16, 16)
    for include_background in (True, False):
        config = FeatureLossConfig(layers=1, weight=1, include_background=include_background)
        eligible = VoxelDraw(batch, logits, MOMENT, config).level(0, feature, 1).candidates.eligible
        partly, fully = eligible.view(2, 16, 16, 16)
        assert torch.equal(partly, batch.labels[0] > 0)
        assert torch.equal(fully, (batch.labels[1] > 0) | include_background)


def test_training_scores_leave_the_organ_out():
    cases = {"a": unlabelled, "b": unlabelled}
    objective = objective_with(DiceConfig())
    with torch.no_grad():
        last_convolution(objective.network)[1][DUODENUM] = 1e3  # all it ever predicts
    scores = score_cases(objective, cases, lambda c: cases[c](c), SingleProcess([].append))
    assert "validation/dsc/duodenum" not in scores
    assert scores["validation/dsc/liver"] == 0
    outcome = objective(batch_of(unlabelled), MOMENT)
    assert outcome.dsc[:, DUODENUM].isnan().all()
    assert outcome.finite.all()


def test_a_batch_of_complete_cases_carries_no_table():
    assert batch_of(make_volume).annotated is None
    cases = {"a": unlabelled, "b": make_volume}
    mixed = batch_of(lambda c: cases[c](c)).annotated
    assert mixed is not None
    assert mixed.tolist() == [[True] * 8 + [False], [True] * 9]


def test_what_no_case_shows_is_trained_as_background_and_predicted_as_such():
    """Left to itself, such an organ takes whatever the background does not hold."""
    objective, batch = objective_with(DiceConfig()), batch_of(unlabelled)
    optimiser = torch.optim.Adam(objective.parameters(), lr=3e-3)
    with torch.no_grad():
        last_convolution(objective.network)[1][DUODENUM] = 2  # as a random start may have it
    for _ in range(8):
        optimiser.zero_grad()
        objective(batch, MOMENT).loss.backward()
        optimiser.step()
    image = batch.images[0, 0].numpy()
    plain = class_scores(objective.network, image)
    taught = class_scores(objective.network, image, taught=ALL_BUT_DUODENUM)
    assert (plain.argmax(0) == DUODENUM).float().mean() > 0.05
    assert not (taught.argmax(0) == DUODENUM).any()
