import torch
from torch import nn

from voxsiam.models.global_batch_norm import GlobalBatchNorm


def test_equals_torch_in_one_process_value_and_gradient():
    torch.manual_seed(0)
    ours, theirs = GlobalBatchNorm(5).double(), nn.BatchNorm1d(5).double()
    x = torch.randn(20, 5, dtype=torch.float64) * 3 + 7
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    target = torch.randn(20, 5, dtype=torch.float64)
    (ours(a) * target).sum().backward()
    (theirs(b) * target).sum().backward()
    assert torch.allclose(ours(a), theirs(b), rtol=0, atol=1e-12)
    assert a.grad is not None
    assert b.grad is not None
    assert torch.allclose(a.grad, b.grad, rtol=0, atol=1e-12)


def test_a_large_mean_does_not_cancel_the_variance():
    x = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) + 3000
    normalised = GlobalBatchNorm(2, affine=False)(x)
    assert torch.allclose(normalised.std(0), torch.ones(2), atol=2e-3)


def test_no_rows_are_allowed():
    norm = GlobalBatchNorm(3)
    x = torch.zeros(0, 3, requires_grad=True)
    norm(x).sum().backward()
    assert x.grad is not None
