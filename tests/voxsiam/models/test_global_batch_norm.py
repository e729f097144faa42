"""Batch normalisation against torch's own, in one process."""

from typing import Any

import pytest
import torch
from torch import nn

from voxsiam.models import global_batch_norm
from voxsiam.models.global_batch_norm import GlobalBatchNorm, uncounted

FEATURES = 3
GRID = (2, 3, 2)
ROWS, MAPS = (7, FEATURES), (2, FEATURES, *GRID)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["one process", "as on many ranks"])
def path(request, monkeypatch):
    """Both ways through the module; with a single process the collectives are the identity."""
    if request.param != "one process":
        monkeypatch.setattr(global_batch_norm, "is_distributed", lambda: True)


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def make_norm(*, affine=True, track=False) -> Any:
    """In float64, with scale and shift unlike their start values."""
    norm: Any = GlobalBatchNorm(FEATURES, affine=affine, track=track).double()
    if affine:
        nn.init.uniform_(norm.scale, 0.5, 2, generator=torch.Generator().manual_seed(1))
        nn.init.normal_(norm.shift, generator=torch.Generator().manual_seed(2))
    return norm


def leaf(values) -> Any:
    return values.clone().requires_grad_()


def assert_fresh(norm):
    assert norm.running_mean.abs().sum() == 0
    assert norm.running_variance.eq(1).all()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [ROWS, MAPS, (1, FEATURES, *GRID)])
def test_equals_torch_in_training_and_in_evaluation(path, shape, affine):
    ours = make_norm(affine=affine, track=True)
    kind: Any = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm3d
    theirs = kind(FEATURES, affine=affine).double()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine.data)
    pairs, x = [], draw(*shape)
    for step in range(3):
        x = 3 * draw(*shape, seed=10 + step) + 7
        a, b = leaf(x), leaf(x)
        outputs = ours(a), theirs(b)
        for y in outputs:
            (y * draw(*shape, seed=20)).sum().backward()
        pairs += [outputs, (a.grad, b.grad)]
    pairs += [(m.grad, t.grad) for m, t in zip(ours.parameters(), theirs.parameters(), strict=True)]
    pairs.append((ours.running_mean, theirs.running_mean))
    pairs.append((ours.running_variance, theirs.running_var))
    pairs.append((ours.eval()(x), theirs.eval()(x)))
    for mine, other in pairs:
        assert torch.allclose(mine, other, rtol=0, atol=1e-12)


def test_the_gradient_is_that_of_differences(path):
    assert torch.autograd.gradcheck(make_norm(), (leaf(draw(2, FEATURES, 1, 2, 2)),))


def test_without_running_statistics_evaluation_uses_the_batch(path):
    norm = make_norm(affine=False)
    x = draw(*ROWS) + 5
    assert not list(norm.buffers())
    assert norm.eval()(x).equal(norm.train()(x))
    assert norm(x).mean(0).abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_statistics_are_as_exact_as_float32(path, dtype):
    """A mean far from zero cancels nothing, and bfloat16 input is summed in float32."""
    x = (draw(4, FEATURES, 16, 16, 8) + 100).to(dtype)
    norm: Any = GlobalBatchNorm(FEATURES, track=True)
    y = norm(x)
    wide = x.double()
    mean, variance = wide.mean((0, 2, 3, 4)), wide.var((0, 2, 3, 4))
    assert y.dtype == dtype
    assert torch.allclose(norm.running_mean.double(), 0.1 * mean, rtol=1e-6)
    assert torch.allclose(norm.running_variance.double(), 0.9 + 0.1 * variance, rtol=1e-5)
    exact = (wide - mean.view(1, -1, 1, 1, 1)) / variance.sqrt().view(1, -1, 1, 1, 1)
    assert torch.allclose(y.double(), exact, rtol=0, atol=1e-3 if dtype == torch.float32 else 0.1)


def test_autocast_leaves_the_statistics_in_float32(path):
    norm: Any = GlobalBatchNorm(FEATURES, track=True)
    conv: Any = nn.Conv3d(1, FEATURES, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = norm(conv(torch.rand(2, 1, 6, 6, 6)))
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    assert norm.running_mean.dtype == norm.scale.grad.dtype == torch.float32
    assert conv.weight.grad.isfinite().all()


def test_layouts_are_kept(path):
    x = draw(2, FEATURES, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    norm = make_norm()
    last = leaf(x)
    norm(last).square().sum().backward()
    plain = leaf(x.contiguous())
    norm(plain).square().sum().backward()
    assert norm(x).is_contiguous(memory_format=torch.channels_last_3d)
    assert last.grad.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.allclose(last.grad, plain.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(0, FEATURES), (0, FEATURES, *GRID)])
def test_no_rows_are_allowed(shape):
    norm = make_norm(track=True)
    x = leaf(torch.zeros(shape, dtype=torch.float64))
    y = norm(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    assert norm.scale.grad.abs().sum() == norm.shift.grad.abs().sum() == 0
    assert_fresh(norm)


@pytest.mark.parametrize("shape", [(1, FEATURES), (1, FEATURES, 1, 1, 1)])
def test_a_single_row_becomes_the_shift_and_teaches_no_running_statistic(shape):
    norm = make_norm(track=True)
    x = leaf(torch.full(shape, 4.0, dtype=torch.float64))
    y = norm(x)
    assert torch.allclose(y.flatten(), norm.shift, rtol=0, atol=1e-9)
    y.square().sum().backward()
    assert x.grad.abs().max() < 1e-9
    assert_fresh(norm)


def test_uncounted_rows_alone_stay_finite_and_count_nowhere():
    norm = make_norm(affine=False, track=True)
    x = leaf(draw(*MAPS))
    with uncounted():
        y = norm(x)
    y.sum().backward()
    assert torch.allclose(y, x, rtol=1e-4)
    assert torch.allclose(x.grad, torch.ones_like(x), rtol=1e-4)
    assert_fresh(norm)


def test_uncounted_ends_with_its_block_even_after_an_error():
    with pytest.raises(RuntimeError, match="stop"), uncounted():
        raise RuntimeError("stop")
    norm = make_norm(track=True)
    norm(draw(*ROWS))
    assert norm.running_mean.abs().sum() > 0


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_gives_what_the_cpu_gives(path, cuda, dtype):
    x = (3 * draw(2, FEATURES, 4, 6, 5) + 7).to(dtype)
    found = []
    for device in ("cpu", cuda):
        norm = make_norm(track=True).float().to(device)
        there = leaf(x.to(device))
        y = norm(there)
        (y * draw(*x.shape, seed=20).to(there)).sum().backward()
        found.append([y, there.grad, norm.scale.grad, norm.running_mean, norm.running_variance])
    bound = 1e-4 if dtype == torch.float32 else 0.1
    for a, b in zip(*found, strict=True):
        difference = a.detach().double() - b.detach().double().cpu()
        assert difference.abs().max() <= bound * a.detach().abs().max()
