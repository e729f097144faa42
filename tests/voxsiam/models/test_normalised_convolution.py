"""The fast form against torch's own layers: values, every gradient, layouts and precisions."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from voxsiam.models.blocks import BatchUnit, Unit
from voxsiam.models.group_norm import scale_and_shift, standardisation
from voxsiam.models.normalised_convolution import is_fast

CHANNELS_LAST = torch.channels_last_3d
LINEAR_UNIT = partial(Unit, activation=False)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tensor(*size, dtype=torch.float64, seed=0, offset=0.5):
    values = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (values + offset).to(dtype)


def fast_unit(kind, in_channels, out_channels, dtype=torch.float64):
    """With affine parameters unlike their start values."""
    torch.manual_seed(in_channels)
    unit = kind(in_channels, out_channels).to(dtype)
    for name, values in unit.named_parameters():
        if "norm" in name:
            nn.init.uniform_(values, 0.5, 2)
    return unit.to(memory_format=CHANNELS_LAST)


def plain(unit, x):
    """The formula by torch's own layers."""
    if isinstance(unit, BatchUnit):
        return functional.relu(unit.norm(unit.conv(x)))
    norm = unit.norm
    normalised = functional.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    convolved = functional.conv3d(normalised, unit.conv.weight.contiguous(), padding=1)
    return functional.relu(convolved) if unit.activation else convolved


def gradients(value, *leaves):
    weights = tensor(*value.shape, seed=9, dtype=value.dtype)
    return torch.autograd.grad((value * weights).sum(), leaves)


def assert_close(found, expected, atol):
    scale = max(expected.abs().max().item(), 1)
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= atol * scale


@pytest.mark.parametrize("kind", [Unit, LINEAR_UNIT])
@pytest.mark.parametrize(
    ("channels", "size", "cases"),
    [
        (16, (4, 6, 8), 2),
        (12, (3, 5, 7), 3),
        (2, (1, 1, 3), 1),
        (1, (4, 4, 4), 2),
        (24, (2, 2, 2), 1),
    ],
)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_unit_equals_torchs_layers_in_value_and_gradients(
    kind, channels, size, cases, dtype, atol
):
    unit = fast_unit(kind, channels, 5, dtype)
    assert is_fast(unit.conv)
    x = tensor(cases, channels, *size, dtype=dtype).requires_grad_()
    leaves = (x, *unit.parameters())
    found, expected = unit(x), plain(unit, x)
    assert_close(found, expected, atol)
    for mine, theirs in zip(gradients(found, *leaves), gradients(expected, *leaves), strict=True):
        assert_close(mine, theirs, atol)


@pytest.mark.parametrize("kind", [Unit, LINEAR_UNIT])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_an_image_without_gradient_gives_the_same_weights_gradients(kind, channels):
    unit = fast_unit(kind, channels, 4)
    image = tensor(2, channels, 5, 4, 6)
    leaves = tuple(unit.parameters())
    found, expected = unit(image), plain(unit, image)
    assert_close(found, expected, 1e-12)
    for mine, theirs in zip(gradients(found, *leaves), gradients(expected, *leaves), strict=True):
        assert_close(mine, theirs, 1e-12)


@pytest.mark.parametrize("kind", [Unit, BatchUnit])
@pytest.mark.parametrize(
    ("fine", "half"), [((4, 6, 8), (2, 3, 4)), ((5, 6, 9), (2, 3, 4)), ((2, 2, 2), (1, 1, 1))]
)
def test_joining_equals_concatenation_of_the_upsampled_map(kind, fine, half):
    # Eight groups over 24 channels: the third holds channels of both maps.
    unit = fast_unit(kind, 24, 5)
    skip = tensor(2, 8, *fine).requires_grad_()
    coarse = tensor(2, 16, *half, seed=1, offset=2).requires_grad_()
    upsampled = functional.interpolate(coarse, size=fine, mode="nearest")
    leaves = (skip, coarse, *unit.parameters())
    found, expected = unit.join(skip, coarse), plain(unit, torch.cat([skip, upsampled], 1))
    assert_close(found, expected, 1e-12)
    for mine, theirs in zip(gradients(found, *leaves), gradients(expected, *leaves), strict=True):
        assert_close(mine, theirs, 1e-12)


def test_the_numeric_gradients_of_a_normalisation_are_the_written_ones():
    norm = nn.GroupNorm(2, 4).double()
    x = tensor(2, 4, 2, 2, 3).requires_grad_()

    def normalise(x, weight, bias):
        scale, shift = standardisation(norm, x)
        return scale_and_shift(x, scale * weight, shift * weight + bias)

    weight, bias = tensor(4, seed=2).requires_grad_(), tensor(4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(normalise, (x, weight, bias))


def test_a_map_without_variance_stays_finite():
    unit = fast_unit(Unit, 8, 4, torch.float32)
    x = torch.full((1, 8, 4, 4, 4), 3.0, requires_grad=True)
    value = unit(x)
    assert value.isfinite().all()
    assert all(g.isfinite().all() for g in gradients(value, x, *unit.parameters()))


def test_moments_far_from_zero_keep_their_digits():
    norm = nn.GroupNorm(4, 8)
    x = (tensor(1, 8, 16, 16, 16) + 300).float()
    scale, shift = standardisation(norm, x)
    exact = functional.group_norm(x.double(), 4)
    assert (scale_and_shift(x, scale, shift) - exact).abs().max() < 2e-3


def test_bfloat16_stays_as_near_to_float32_as_torchs_layers_do():
    unit = fast_unit(Unit, 16, 8, torch.float32)
    x = tensor(2, 16, 8, 8, 8, dtype=torch.float32)
    exact = plain(unit, x)
    x = x.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, rounded = unit(x), plain(unit, x)
    assert found.dtype == torch.bfloat16
    error, allowed = ((y - exact).abs().mean() for y in (found, rounded))
    assert error <= 1.2 * allowed


def test_the_result_lies_channels_last_and_the_gradient_too():
    unit = fast_unit(Unit, 16, 8, torch.float32)
    x = tensor(2, 16, 4, 4, 4, dtype=torch.float32).to(memory_format=CHANNELS_LAST)
    x.requires_grad_()
    value = unit(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert value.is_contiguous(memory_format=CHANNELS_LAST)
    assert gradient.is_contiguous(memory_format=CHANNELS_LAST)


@pytest.mark.parametrize("join", [False, True])
def test_inference_gives_what_training_gives(join):
    unit = fast_unit(Unit, 16, 8)
    maps = (tensor(1, 8, 4, 4, 4), tensor(1, 8, 2, 2, 2)) if join else (tensor(1, 16, 4, 4, 4),)
    run = unit.join if join else unit
    trained = run(*(x.clone().requires_grad_() for x in maps))
    with torch.inference_mode():
        assert_close(run(*maps), trained.detach(), 1e-14)


def test_the_same_step_twice_is_the_same_in_every_bit():
    unit = fast_unit(Unit, 16, 8, torch.float32)
    torch.set_num_threads(2)
    x = tensor(2, 16, 12, 12, 12, dtype=torch.float32).requires_grad_()
    first, second = (gradients(unit(x), x, *unit.parameters()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_weights_that_lie_contiguously_take_the_plain_form():
    unit = fast_unit(Unit, 16, 8)
    contiguous = copy.deepcopy(unit).to(memory_format=torch.contiguous_format)
    assert not is_fast(contiguous.conv)
    x = tensor(2, 16, 4, 4, 4)
    assert_close(unit(x.requires_grad_()), contiguous(x), 1e-12)
