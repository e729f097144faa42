import pytest
import torch
from torch import nn

from voxsiam.models.heads import ContrastiveHead, SimSiamHeads
from voxsiam.models.network import count_parameters

# C_i, hidden dimension, trainable parameters: SimSiam's layout with one width throughout.
COUNTS = [
    (512, 64, 49_600),
    (256, 64, 33_216),
    (128, 64, 25_024),
    (512, 128, 131_968),
    (256, 128, 99_200),
    (128, 128, 82_816),
    (512, 256, 395_008),
    (256, 256, 329_472),
    (128, 256, 296_704),
]


@pytest.mark.parametrize(("channels", "hidden", "parameters"), COUNTS)
def test_simsiam_heads_have_the_counted_parameters(channels, hidden, parameters):
    assert count_parameters(SimSiamHeads(channels, hidden)) == parameters


def test_layers_stand_in_the_order_of_simsiam():
    heads = SimSiamHeads(6, 4)
    kinds = [type(layer).__name__ for layer in (*heads.projection, *heads.prediction)]
    block = ["Linear", "GlobalBatchNorm", "ReLU"]
    assert kinds == [*block, *block, "Linear", "GlobalBatchNorm", *block, "Linear"]
    biases = [layer.bias is not None for layer in heads.modules() if isinstance(layer, nn.Linear)]
    assert biases == [False, False, False, False, True]
    last_norm = heads.projection[-1]
    assert not list(last_norm.parameters())


def test_z_has_mean_zero_and_variance_one_and_p_is_made_of_it():
    torch.manual_seed(0)
    heads = SimSiamHeads(6, 4).double()
    p, z = heads(torch.randn(50, 6, dtype=torch.float64))
    assert torch.allclose(z.mean(0), torch.zeros(4).double(), atol=1e-12)
    assert torch.allclose(z.var(0, correction=0), torch.ones(4).double(), atol=1e-3)
    assert torch.equal(p, heads.prediction(z))


def test_dimensions_can_be_set_one_by_one():
    heads = SimSiamHeads(6, 8, output_dim=5, prediction_dim=2)
    p, z = heads(torch.randn(9, 6))
    assert p.shape == z.shape == (9, 5)
    assert heads.prediction[0].out_features == 2


def test_without_normalisation_every_layer_has_a_bias_and_rows_stand_alone():
    heads = SimSiamHeads(6, 4, normalise=False)
    rows = torch.randn(5, 6)
    assert torch.allclose(heads(rows)[1][:2], heads(rows[:2])[1], atol=1e-6)
    assert all(layer.bias is not None for layer in heads.projection if isinstance(layer, nn.Linear)
               if layer is not heads.projection[-1])  # fmt: skip


@pytest.mark.parametrize("normalise", [True, False])
def test_the_contrastive_head_takes_any_number_of_rows(normalise):
    head = ContrastiveHead(6, 8, 5, normalise=normalise)
    assert head(torch.randn(9, 6)).shape == (9, 5)
    assert head(torch.zeros(0, 6)).shape == (0, 5)
