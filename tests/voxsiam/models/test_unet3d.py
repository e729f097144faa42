import pytest
import torch
from torch import nn

from voxsiam.models.heads import VoxelHeads
from voxsiam.models.network import count_parameters, count_parameters_as_paper
from voxsiam.models.unet3d import UNet3D


@pytest.mark.parametrize(
    ("classes", "all_parameters", "as_paper"),
    [(9, 16_319_211, 16_313_769), (2, 16_318_756, 16_313_314)],
)
def test_parameter_counts_of_table_two(classes, all_parameters, as_paper):
    with torch.device("meta"):
        network = UNet3D(64, classes)
    assert count_parameters(network) == all_parameters
    assert count_parameters_as_paper(network) == as_paper
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv3d)]
    assert sum(map(count_parameters, convolutions)) == as_paper


@pytest.mark.parametrize(
    ("hidden", "counts"),
    [
        (64, (49_600, 33_216, 25_024)),
        (128, (131_968, 99_200, 82_816)),
        (256, (395_008, 329_472, 296_704)),
    ],
)
def test_head_parameters(hidden, counts):
    found = tuple(count_parameters(VoxelHeads(c, hidden)) for c in (512, 256, 128))
    assert found == counts


def test_features_are_the_encoder_outputs_deepest_first():
    with torch.device("meta"):
        output = UNet3D(64, 9)(torch.zeros(2, 1, 64, 128, 128))
    assert output.logits.shape == (2, 9, 64, 128, 128)
    assert [tuple(f.shape) for f in output.features] == [
        (2, 512, 8, 16, 16), (2, 256, 16, 32, 32), (2, 128, 32, 64, 64),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 17, 30), (16, 24, 32)])
def test_any_size_comes_back_whole_and_every_parameter_learns(shape):
    torch.manual_seed(0)
    network = UNet3D(4, 9)
    output = network(torch.rand(1, 1, *shape))
    assert output.logits.shape == (1, 9, *shape)
    output.logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_cases_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    network = UNet3D(4, 9).double()
    images = torch.rand(3, 1, 16, 16, 16, dtype=torch.float64)
    together = network(images).logits
    alone = torch.cat([network(image[None]).logits for image in images])
    assert torch.allclose(together, alone, rtol=0, atol=1e-12)
