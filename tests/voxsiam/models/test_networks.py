"""One contract for all networks, in every form of normalisation."""

from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from tests.voxsiam.models import literal_networks
from voxsiam.errors import UserError
from voxsiam.models.attention_unet3d import AttentionGate
from voxsiam.models.blocks import BatchUnit, Unit
from voxsiam.models.catalogue import NETWORKS, build_network
from voxsiam.models.global_batch_norm import GlobalBatchNorm
from voxsiam.models.network import count_parameters, count_parameters_as_paper
from voxsiam.models.network_config import (
    LEVELS,
    PAPER_WIDTH,
    NetworkConfig,
    NetworkName,
    Normalisation,
)
from voxsiam.models.residual_unet3d import ResidualBlock

OTHER_FORM: dict[NetworkName, Normalisation] = {
    "unet3d": "batch_after_convolution",
    "residual_unet3d": "batch_after_convolution",
    "attention_unet3d": "group_before_convolution",
}
CONFIGS = [NetworkConfig(name=name, width=4) for name in NETWORKS] + [
    NetworkConfig(name=name, width=4, normalisation=form) for name, form in OTHER_FORM.items()
]


@pytest.fixture(params=CONFIGS, ids=lambda c: f"{c.name}-{c.normalisation}")
def config(request) -> NetworkConfig:
    return request.param


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(config, *, seed=0, training=False) -> Any:
    """In float64, with running statistics and affine parameters unlike their start values."""
    torch.manual_seed(seed)
    network = build_network(config).double()
    for name, values in network.state_dict().items():
        if name.endswith(("running_variance", "norm.weight", "scale")):
            nn.init.uniform_(values, 0.5, 2)
        elif name.endswith(("running_mean", "norm.bias", "shift")):
            nn.init.normal_(values, std=0.3)
    return network.train(training)


def images(*size, cases=2):
    return torch.rand(
        cases, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(7)
    )


def form_of(config):
    if config.normalisation != "as_table_ii":
        return config.normalisation
    after = config.name in ("vnet", "attention_unet3d")
    return "batch_after_convolution" if after else "group_before_convolution"


def test_the_catalogue_holds_every_name_of_the_configuration():
    assert set(NETWORKS) == set(get_args(NetworkName)) == set(LEVELS) == set(PAPER_WIDTH)


@pytest.mark.parametrize(
    ("name", "outputs", "all_parameters", "as_paper"),
    [
        ("unet3d", 9, 16_319_211, 16_313_769),
        ("unet3d", 2, 16_318_756, 16_313_314),
        ("residual_unet3d", 9, 141_244_875, 141_229_257),
        ("residual_unet3d", 2, 141_244_420, 141_228_802),
        ("vnet", 9, 9_448_985, 9_448_985),
        ("vnet", 2, 9_448_866, 9_448_866),
        ("attention_unet3d", 9, 16_836_332, 16_836_332),
        ("attention_unet3d", 2, 16_835_877, 16_835_877),
    ],
)
def test_parameter_counts_of_table_two(name, outputs, all_parameters, as_paper):
    with torch.device("meta"):
        network = build_network(
            NetworkConfig(name=name, width=PAPER_WIDTH[name], num_classes=outputs)
        )
    assert count_parameters(network) == all_parameters
    assert count_parameters_as_paper(network) == as_paper
    if outputs == 2:
        assert f"{as_paper / 1e6:.3f}M" == NETWORKS[name].printed_parameters


@pytest.mark.parametrize(
    ("name", "all_parameters"),
    [
        ("unet3d", 16_313_769 + 4_672),
        ("residual_unet3d", 141_229_257 + 17_664),
        ("attention_unet3d", 16_837_102),
    ],
)
def test_parameter_counts_of_the_other_form(name, all_parameters):
    with torch.device("meta"):
        network = build_network(NetworkConfig(name=name, normalisation=OTHER_FORM[name]))
    assert count_parameters(network) == all_parameters


def test_gates_have_the_counts_of_the_table():
    gates = [AttentionGate(c, 2 * c) for c in (256, 128, 64)]
    assert [count_parameters(gate) for gate in gates] == [394_241, 98_817, 24_833]


@pytest.mark.parametrize("size", [(16, 24, 32), (17, 19, 30), (31, 16, 23)])
def test_logits_and_features_have_the_promised_shapes(config, size):
    network = build(config)
    with torch.no_grad():
        logits, features = network(images(*size))
    assert logits.shape == (2, 9, *size)
    assert len(features) == LEVELS[config.name] == config.levels
    assert len(network.feature_channels) == len(network.feature_strides) == len(features)
    assert network.feature_channels[-1] == config.width
    assert network.feature_strides[-1] == 1
    described = zip(features, network.feature_channels, network.feature_strides, strict=True)
    for feature, channels, stride in described:
        assert feature.shape == (2, channels, *(n // stride for n in size))


@pytest.mark.parametrize("outputs", [2, 5])
def test_the_number_of_outputs_is_free(config, outputs):
    network = build(config.model_copy(update={"num_classes": outputs}))
    assert network(images(16, 16, 16, cases=1)).logits.shape[1] == outputs


def test_the_narrowest_network_runs(config):
    network = build(config.model_copy(update={"width": 1}), training=True)
    assert network(images(16, 16, 16)).logits.shape == (2, 9, 16, 16, 16)


def test_features_of_the_paper_grid():
    with torch.device("meta"):
        output = build_network(NetworkConfig())(torch.zeros(2, 1, 64, 128, 128))
    assert [tuple(feature.shape) for feature in output.features] == [
        (2, 512, 8, 16, 16), (2, 256, 16, 32, 32), (2, 128, 32, 64, 64), (2, 64, 64, 128, 128),
    ]  # fmt: skip


@pytest.mark.parametrize("axis", range(3))
def test_a_volume_too_small_is_refused_with_the_rule(config, axis):
    smallest = 2 ** (config.levels - 1)
    size = [smallest + 3] * 3
    size[axis] = smallest - 1
    with pytest.raises(UserError, match=f"at least {smallest} voxels along every axis"):
        build(config)(images(*size))
    with pytest.raises(UserError, match="1 x 64 x 64"):
        build(config)(images(1, 64, 64))


@pytest.mark.parametrize("training", [False, True])
def test_the_smallest_volume_is_not_refused(config, training):
    smallest = 2 ** (config.levels - 1)
    logits, features = build(config, training=training)(images(*[smallest] * 3, cases=1))
    assert features[0].shape[2:] == (1, 1, 1)
    logits.square().mean().backward()
    assert logits.isfinite().all()


def test_equals_the_network_written_out_in_numpy(config):
    """Odd sizes, so that rounding down and the repeated edge are part of it."""
    network = build(config.model_copy(update={"width": 3}))
    image = images(17, 18, 21, cases=1)
    with torch.no_grad():
        logits, features = network(image)
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    expected = literal_networks.run(config.name, form_of(config), weights, image[0].numpy())
    assert np.allclose(logits[0].numpy(), expected[0], rtol=1e-10, atol=1e-10)
    for found, literal in zip(features, expected[1], strict=True):
        assert np.allclose(found[0].numpy(), literal, rtol=1e-10, atol=1e-10)


def test_an_attention_gate_equals_its_formula():
    torch.manual_seed(3)
    gate: Any = AttentionGate(6, 5).double().eval()
    nn.init.normal_(gate.norm.running_mean)
    x, g = torch.randn(1, 6, 5, 7, 4).double(), torch.randn(1, 5, 2, 3, 2).double()
    weights = {f"gate.{key}": value.numpy() for key, value in gate.state_dict().items()}
    expected = literal_networks.attention_gate(x[0].numpy(), g[0].numpy(), weights, "gate")
    assert np.allclose(gate(x, g)[0].detach().numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["group_before_convolution", "batch_after_convolution"])
def test_a_residual_block_equals_its_formula(form):
    torch.manual_seed(4)
    units = Unit if form == "group_before_convolution" else BatchUnit
    block = ResidualBlock(units, 3, 8).double().eval()
    x = torch.randn(1, 3, 4, 3, 5).double()
    weights = {f"block.{key}": value.numpy() for key, value in block.state_dict().items()}
    expected = literal_networks.residual_block(x[0].numpy(), weights, "block", form)
    assert np.allclose(block(x)[0].detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def test_every_parameter_learns_from_the_logits(config):
    """In evaluation mode: a bias before batch normalisation has no gradient in training."""
    network = build(config)
    network(images(17, 16, 18)).logits.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_in_training_every_parameter_takes_part(config):
    """DDP waits for the gradient of every parameter."""
    network = build(config, training=True)
    network(images(16, 16, 16)).logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_every_feature_teaches_the_encoder_and_nothing_else(config):
    network = build(config, training=True)
    first = next(network.encoder[0].parameters())
    for layer in range(config.levels):
        network.zero_grad(set_to_none=True)
        feature = network(images(16, 16, 16)).features[layer]
        (feature * torch.randn_like(feature)).sum().backward()
        assert first.grad.abs().sum() > 0
        taught = {
            name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None
        }
        assert taught <= {"encoder", "down"}
        deepest = next(network.encoder[-1].parameters())
        assert (deepest.grad is not None) == (layer == 0)


def test_in_evaluation_a_case_does_not_see_the_others(config):
    network = build(config)
    batch = images(16, 17, 16, cases=3)
    together = network(batch).logits
    alone = torch.cat([network(image[None]).logits for image in batch])
    assert torch.allclose(together, alone, rtol=0, atol=1e-12)


def test_only_training_moves_the_running_statistics(config):
    network = build(config)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    assert bool(before) == any(isinstance(m, GlobalBatchNorm) for m in network.modules())
    network(images(16, 16, 16))
    assert all(buffer.equal(before[name]) for name, buffer in network.named_buffers())
    network.train()(images(16, 16, 16))
    assert not any(buffer.equal(before[name]) for name, buffer in network.named_buffers())


def test_the_seed_alone_decides_weights_and_output(config):
    a, b, other = build(config), build(config), build(config, seed=1)
    image = images(16, 16, 16)
    assert a(image).logits.equal(b(image).logits)
    assert not a(image).logits.equal(other(image).logits)


@pytest.mark.parametrize("training", [False, True])
def test_channels_last_gives_the_same_numbers(config, training):
    plain, last = build(config, training=training), build(config, training=training)
    last = last.to(memory_format=torch.channels_last_3d)
    batch = images(17, 16, 19)
    outputs = [plain(batch), last(batch.contiguous(memory_format=torch.channels_last_3d))]
    for output in outputs:
        output.logits.square().mean().backward()
    assert torch.allclose(outputs[0].logits, outputs[1].logits, rtol=0, atol=1e-10)
    for a, b in zip(plain.parameters(), last.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-8, atol=1e-9)


def test_bfloat16_stays_near_float32(config):
    network = build(config).float()
    # Not 16 deep: the gradient of a map two voxels deep holds memory that was never written
    # (torch 2.13, docs/benchmarks.md), and trainings refuse such grids.
    batch = images(32, 16, 16).float()
    exact = network(batch).logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(batch).logits
        trained = network.train()(batch).logits
    assert (rough - exact).abs().mean() < 0.1 * exact.std()
    trained.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_weights_survive_a_file(config):
    network, fresh = build(config, training=True), build(config, seed=1)
    network(images(16, 16, 16))
    stored = save({key: value.contiguous() for key, value in network.state_dict().items()})
    fresh.load_state_dict(load(stored))
    image = images(16, 16, 16)
    assert network.eval()(image).logits.equal(fresh(image).logits)
