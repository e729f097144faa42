import numpy as np
import pytest
import torch

from tests.voxsiam.inference.small_models import class_scores, describe, random_network
from voxsiam.types import PAPER_ORGANS

IMAGE = np.random.default_rng(0).random((16, 24, 11)).astype(np.float16)


@pytest.fixture(params=["unet3d", "attention_unet3d"])
def network(request):
    return random_network(describe(request.param).network)


def test_an_organ_that_was_never_taught_counts_as_background(network):
    scores = class_scores(network, IMAGE)
    merged = class_scores(network, IMAGE, taught=PAPER_ORGANS[:-1])
    torch.testing.assert_close(merged[0], scores[0] + scores[8])
    torch.testing.assert_close(merged[1:8], scores[1:8])
    assert not merged[8].any()


def test_scores_are_the_softmax_of_the_logits(network):
    scores = class_scores(network, IMAGE)
    tensor = torch.from_numpy(IMAGE.astype(np.float32))[None, None]
    logits = network.eval()(tensor).logits[0]
    expected = logits.exp() / logits.exp().sum(0)
    torch.testing.assert_close(scores, expected)
    assert torch.equal(scores, class_scores(network, IMAGE))


def test_half_precision_stays_close_and_gives_float32(network):
    exact = class_scores(network, IMAGE)
    rounded = class_scores(network, IMAGE, autocast=True)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.sum(0), torch.ones(IMAGE.shape), rtol=0, atol=1e-5)
    assert 0 < (rounded - exact).abs().mean() < 0.01


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_are_used_and_kept_and_the_mode_is_put_back(network, training):
    network.train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    class_scores(network, IMAGE)
    assert network.training is training
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_views_of_shared_memory_are_read_without_being_written(network):
    image = IMAGE.copy()
    image.flags.writeable = False
    class_scores(network, image, autocast=True)
