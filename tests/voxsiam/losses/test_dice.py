import pytest
import torch

from tests import reference
from voxsiam.losses.config import DiceConfig
from voxsiam.losses.dice import soft_dice_loss

EPSILON = DiceConfig().epsilon


READINGS = {
    "as printed": (DiceConfig(), {}),
    "linear denominators": (DiceConfig(denominators="linear"), {"power": 1}),
    "organs only": (DiceConfig(include_background=False), {"first_class": 1}),
    "batch": (DiceConfig(sums_over="batch"), {"together": True}),
    "epsilon": (DiceConfig(epsilon=0.5), {"epsilon": 0.5}),
}


def example(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 2, 3, 2, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 4, (2, 2, 3, 2), generator=generator)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("seed", range(3))
def test_value_equals_the_loop(seed, reading):
    (logits, labels), (config, options) = example(seed), READINGS[reading]
    options = {"epsilon": EPSILON} | options
    expected = reference.soft_dice_loss(
        logits.flatten(2).numpy(), labels.flatten(1).numpy(), **options
    )
    found = soft_dice_loss(logits, labels, config)
    assert found.flatten().tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("confident", [False, True])
def test_sums_over_a_million_voxels_are_those_of_float64(confident):
    shape = (1, 9, 64, 128, 128)
    logits = torch.zeros(shape)
    labels = torch.zeros(1, *shape[2:], dtype=torch.long)
    logits[:, 0] = 4.0 if confident else 0.0
    exact = soft_dice_loss(logits.double(), labels)
    assert soft_dice_loss(logits, labels).item() == pytest.approx(exact.item(), rel=1e-6)


def test_the_score_itself_is_the_number_of_classes_lower_with_the_same_gradient():
    logits, labels = example(0)
    gradients, values = [], []
    for form in ("one_minus_score", "negative_score"):
        leaf = logits.clone().requires_grad_()
        loss = soft_dice_loss(leaf, labels, DiceConfig(form=form)).sum()
        gradients.append(torch.autograd.grad(loss, leaf)[0])
        values.append(loss.item())
    assert values[0] - values[1] == pytest.approx(2 * 4)
    assert torch.allclose(gradients[0], gradients[1], rtol=0, atol=1e-15)


def test_the_mean_over_classes_is_the_sum_divided():
    logits, labels = example(1)
    mean = soft_dice_loss(logits, labels, DiceConfig(over_classes="mean"))
    assert torch.allclose(4 * mean, soft_dice_loss(logits, labels), rtol=0, atol=1e-14)


def test_perfect_prediction_of_present_classes_costs_one_for_each_absent_one():
    labels = torch.tensor([0, 1, 1, 0]).view(1, 1, 2, 2)
    logits = 100 * torch.nn.functional.one_hot(labels, 5).permute(0, 4, 1, 2, 3).float()
    assert soft_dice_loss(logits, labels).item() == pytest.approx(3, abs=1e-3)


def test_absent_class_gives_no_gradient_on_its_own():
    labels = torch.zeros(1, 1, 1, 2, dtype=torch.long)
    logits = torch.zeros(1, 2, 1, 1, 2, requires_grad=True)
    soft_dice_loss(logits, labels).sum().backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad[:, 0], -logits.grad[:, 1])


def test_gradient_is_that_of_the_formula():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 2, 2, 2), generator=generator)
    logits = torch.randn(2, 3, 2, 2, 2, generator=generator, requires_grad=True)
    soft_dice_loss(logits, labels).sum().backward()
    p = torch.nn.functional.one_hot(labels, 3).permute(0, 4, 1, 2, 3)
    g = logits.softmax(1)
    axes = (2, 3, 4)
    dice = 2 * (p * g).sum(axes) / (p.square().sum(axes) + g.square().sum(axes) + EPSILON)
    (expected,) = torch.autograd.grad((1 - dice).sum(), logits)
    assert logits.grad is not None
    assert torch.allclose(logits.grad, expected, atol=1e-6)
