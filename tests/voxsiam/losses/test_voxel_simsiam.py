from typing import get_args

import numpy as np
import pytest
import torch

from tests import reference
from voxsiam.losses.config import ClassWeights, PairReduction, SimSiamConfig
from voxsiam.losses.voxel_simsiam import (
    class_cosines,
    class_sums,
    class_weights,
    voxel_simsiam_loss,
)

REDUCTIONS = get_args(PairReduction)
WEIGHTS = get_args(ClassWeights)

SHAPES = [(1, 1, 1), (2, 3, 2), (17, 4, 3), (40, 8, 9), (25, 2, 5)]


def rows(n, f, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, f, dtype=torch.float64, generator=generator)


def draw_classes(n, k, seed):
    return torch.randint(0, k, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "f", "k"), SHAPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("without_self", [False, True])
def test_value_equals_the_pair_loop(n, f, k, reduction, weights, without_self):
    p, z, classes = rows(n, f, 1), rows(n, f, 2), draw_classes(n, k, 3)
    expected = reference.voxel_simsiam(
        p.numpy(),
        z.numpy(),
        classes.tolist(),
        reduction=reduction,
        weights=weights,
        without_self=without_self,
    )
    config = SimSiamConfig(
        pair_reduction=reduction, class_weights=weights, exclude_self_pairs=without_self
    )
    found = voxel_simsiam_loss(p, z, classes, k, config).item()
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_without_self_pairs_a_class_of_one_voxel_counts_as_absent():
    p, z = rows(3, 4, 1).requires_grad_(), rows(3, 4, 2)
    config = SimSiamConfig(exclude_self_pairs=True)
    voxel_simsiam_loss(p, z, torch.tensor([0, 1, 1]), 2, config).backward()
    assert p.grad is not None
    assert p.grad[0].abs().max() == 0
    assert p.grad[1:].abs().max() > 0
    alone = voxel_simsiam_loss(p[:1], z[:1], torch.tensor([0]), 2, config)
    assert alone.item() == 0


def test_gradient_equals_the_pair_loops_by_finite_differences():
    p, z, classes = rows(6, 3, 1).requires_grad_(), rows(6, 3, 2), draw_classes(6, 3, 3)
    voxel_simsiam_loss(p, z, classes, 3).backward()
    assert p.grad is not None
    step = 1e-6
    for i in range(6):
        for j in range(3):
            shifted = [p.detach().numpy().copy() for _ in range(2)]
            shifted[0][i, j] += step
            shifted[1][i, j] -= step
            up, down = (reference.voxel_simsiam(s, z.numpy(), classes.tolist()) for s in shifted)
            assert p.grad[i, j].item() == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_gradient_equals_the_matrix_of_all_pairs():
    p, z, classes = rows(50, 8, 4).requires_grad_(), rows(50, 8, 5), draw_classes(50, 4, 6)
    unit_p, unit_z = (torch.nn.functional.normalize(x, dim=1) for x in (p, z))
    counts = torch.bincount(classes, minlength=4).double()
    weights = class_weights(counts, counts > 0)
    same = classes[:, None] == classes[None, :]
    scale = (weights / counts.square())[classes][:, None]
    pairwise = -((unit_p @ unit_z.T) * same * scale).sum()
    (expected,) = torch.autograd.grad(pairwise, p)
    (found,) = torch.autograd.grad(voxel_simsiam_loss(p, z, classes, 4), p)
    assert torch.allclose(found, expected, rtol=0, atol=1e-14)


def test_no_gradient_reaches_the_target():
    p, z = rows(9, 4, 1).requires_grad_(), rows(9, 4, 2).requires_grad_()
    voxel_simsiam_loss(p, z, draw_classes(9, 2, 3), 2).backward()
    assert z.grad is None
    assert p.grad is not None
    assert p.grad.abs().sum() > 0


def test_closed_forms():
    one = torch.ones(5, 3)
    classes = torch.tensor([0, 0, 1, 1, 1])
    assert voxel_simsiam_loss(one, 7 * one, classes, 2).item() == pytest.approx(-1)
    assert voxel_simsiam_loss(one, -one, classes, 2).item() == pytest.approx(1)
    p, z = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert voxel_simsiam_loss(p, z, torch.tensor([0]), 1).item() == pytest.approx(0, abs=1e-7)


def test_scale_and_order_do_not_matter():
    p, z, classes = rows(30, 4, 1), rows(30, 4, 2), draw_classes(30, 3, 3)
    expected = voxel_simsiam_loss(p, z, classes, 3)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    moved = voxel_simsiam_loss(3 * p[order], 0.2 * z[order], classes[order], 3)
    assert moved.item() == pytest.approx(expected.item(), abs=1e-12)


def test_no_voxels_give_zero_and_a_graph():
    p = torch.zeros(0, 4, requires_grad=True)
    loss = voxel_simsiam_loss(p, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 3)
    loss.backward()
    assert loss.item() == 0
    assert p.grad is not None


def test_weights_are_inverse_frequencies_of_the_present_classes():
    frequency = torch.tensor([8.0, 0.0, 2.0])
    expected = {
        "inverse_frequency": [0.2, 0.0, 0.8],
        "uniform": [0.5, 0.0, 0.5],
        "one": [1.0, 0.0, 1.0],
    }
    for kind in WEIGHTS:
        weights = class_weights(frequency, frequency > 0, kind)
        assert weights.tolist() == pytest.approx(expected[kind])


def test_a_class_of_the_volume_that_was_not_drawn_has_no_weight():
    present = torch.tensor([True, False, True])
    weights = class_weights(torch.tensor([8.0, 5.0, 2.0]), present)
    assert weights.tolist() == pytest.approx([0.2, 0.0, 0.8])


def test_cosines_show_a_collapse():
    classes = torch.tensor([0, 0, 1, 1])
    collapsed = torch.ones(4, 3, dtype=torch.float64)
    counts = torch.tensor([2.0, 2.0], dtype=torch.float64)
    within, between = class_cosines(class_sums(collapsed, classes, 2), counts)
    assert (within.item(), between.item()) == pytest.approx((1, 1))
    apart = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]], dtype=torch.float64)
    within, between = class_cosines(class_sums(apart, classes, 2), counts)
    assert (within.item(), between.item()) == pytest.approx((1, 0))


def test_cosines_equal_the_pair_loop():
    z, classes = rows(12, 4, 1), torch.tensor([0, 0, 0, 2, 2, 2, 2, 2, 1, 1, 1, 1])
    counts = torch.bincount(classes, minlength=4).double()
    within, between = class_cosines(class_sums(z, classes, 4), counts)
    pairs = {}
    for i in range(12):
        for j in range(12):
            key = (classes[i].item(), classes[j].item())
            pairs.setdefault(key, []).append(reference.cosine(z[i].tolist(), z[j].tolist()))
    means = {key: sum(values) / len(values) for key, values in pairs.items()}
    same = [value for (a, b), value in means.items() if a == b]
    other = [value for (a, b), value in means.items() if a != b]
    assert within.item() == pytest.approx(sum(same) / 3)
    assert between.item() == pytest.approx(sum(other) / 6)


def test_bfloat16_features_are_raised_to_float32():
    p, z, classes = rows(30, 8, 1).float(), rows(30, 8, 2).float(), draw_classes(30, 3, 3)
    exact = voxel_simsiam_loss(p.bfloat16().float(), z.bfloat16().float(), classes, 3)
    found = voxel_simsiam_loss(p.bfloat16(), z.bfloat16(), classes, 3)
    assert found.dtype == torch.float32
    assert found.item() == exact.item()


def test_numpy_reference_knows_a_case_by_hand():
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert reference.voxel_simsiam(p, p, [0, 0]) == pytest.approx(-0.5)
