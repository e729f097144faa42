import pytest
import torch

from tests import reference
from voxsiam.losses.dice import EPSILON, soft_dice_loss


@pytest.mark.parametrize("seed", range(3))
def test_value_equals_the_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 2, 3, 2, generator=generator)
    labels = torch.randint(0, 4, (2, 2, 3, 2), generator=generator)
    expected = reference.soft_dice_loss(
        logits.flatten(2).double().numpy(), labels.flatten(1).numpy(), EPSILON
    )
    assert soft_dice_loss(logits, labels).tolist() == pytest.approx(expected, abs=1e-5)


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
