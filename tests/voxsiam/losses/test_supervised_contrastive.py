import math

import pytest
import torch

from tests import reference
from voxsiam.losses import supervised_contrastive
from voxsiam.losses.supervised_contrastive import supervised_contrastive_loss
from voxsiam.losses.voxel_simsiam import unit_rows


def example(seed, n=40, f=6, k=4):
    generator = torch.Generator().manual_seed(seed)
    rows = unit_rows(torch.randn(n, f, dtype=torch.float64, generator=generator))
    classes = torch.randint(0, k, (n,), generator=generator)
    anchor = torch.rand(n, generator=generator) < 0.6
    drawn = torch.rand(n, generator=generator) < 0.6
    repels = (classes[:, None] != torch.arange(k)) & drawn[:, None]
    return rows, classes, anchor, repels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5])
def test_value_equals_the_pair_loop(seed, temperature):
    rows, classes, anchor, repels = example(seed)
    expected = reference.supervised_contrastive(
        rows.numpy(), classes.tolist(), anchor.tolist(), repels.numpy(), temperature
    )
    found = supervised_contrastive_loss(rows, classes, anchor, repels, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_gradient_equals_finite_differences():
    rows, classes, anchor, repels = example(0, n=10, k=3)

    def loss(free):
        return supervised_contrastive_loss(unit_rows(free), classes, anchor, repels, 0.5)

    assert torch.autograd.gradcheck(loss, (3 * rows).requires_grad_())


def test_chunks_change_nothing(monkeypatch):
    rows, classes, anchor, repels = example(1)
    gradients, values = [], []
    for similarities in (2**24, 300, 1):
        monkeypatch.setattr(supervised_contrastive, "MAX_SIMILARITIES", similarities)
        leaf = rows.clone().requires_grad_()
        loss = supervised_contrastive_loss(leaf, classes, anchor, repels)
        loss.backward()
        values.append(loss.item())
        gradients.append(leaf.grad)
    assert values == pytest.approx([values[0]] * 3, rel=1e-14)
    assert all(torch.allclose(g, gradients[0], rtol=0, atol=1e-14) for g in gradients)


def test_memory_of_similarities_is_bounded_by_the_chunk(monkeypatch):
    """What backward keeps must not grow with the pairs, only with the rows."""
    monkeypatch.setattr(supervised_contrastive, "MAX_SIMILARITIES", 5000)
    rows, classes, anchor, repels = example(2, n=400)
    largest = []

    def keep(tensor):
        largest.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        leaf = rows.clone().requires_grad_()
        supervised_contrastive_loss(leaf, classes, anchor, repels)
    assert max(largest) <= 400 * max(rows.shape[1], repels.shape[1])


def test_closed_form_of_two_classes_that_lie_opposite():
    rows = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]], dtype=torch.float64)
    classes = torch.tensor([0, 0, 1, 1])
    repels = classes[:, None] != torch.arange(2)
    everyone = torch.ones(4, dtype=torch.bool)
    found = supervised_contrastive_loss(rows, classes, everyone, repels, 0.5)
    own, other = math.exp(2), math.exp(-2)
    assert found.item() == pytest.approx(-math.log(own / (own + 2 * other)))


def test_an_anchor_without_positive_or_negative_is_skipped():
    rows, classes, anchor, repels = example(3)
    only = classes != 3
    with_lonely = supervised_contrastive_loss(
        torch.cat([rows[only], rows[:1]]),
        torch.cat([classes[only], torch.tensor([3])]),
        torch.cat([anchor[only], torch.tensor([True])]),
        torch.cat([repels[only], torch.zeros(1, 4, dtype=torch.bool)]),
    )
    without = supervised_contrastive_loss(rows[only], classes[only], anchor[only], repels[only])
    assert with_lonely.item() == pytest.approx(without.item(), rel=1e-14)


@pytest.mark.parametrize("case", ["no rows", "no negatives", "one class"])
def test_nothing_to_compare_gives_zero_and_a_finite_gradient(case):
    rows, classes, anchor, repels = example(4)
    keep = {"no rows": slice(0, 0), "no negatives": slice(None), "one class": classes == 0}[case]
    if case == "no negatives":
        repels = torch.zeros_like(repels)
    leaf = rows[keep].clone().requires_grad_()
    loss = supervised_contrastive_loss(leaf, classes[keep], anchor[keep], repels[keep])
    loss.backward()
    assert loss.item() == 0
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_closer_positives_and_farther_negatives_lower_the_loss():
    classes = torch.tensor([0, 0, 1])
    repels = classes[:, None] != torch.arange(2)
    everyone = torch.ones(3, dtype=torch.bool)

    def at(angle_positive, angle_negative):
        angles = torch.tensor([0.0, angle_positive, angle_negative], dtype=torch.float64)
        rows = torch.stack([angles.cos(), angles.sin()], dim=1)
        return supervised_contrastive_loss(rows, classes, everyone, repels).item()

    assert at(0.1, 1.5) < at(0.4, 1.5) < at(0.4, 0.8)
