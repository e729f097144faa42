"""What follows from the seed: the first weights and the draw of voxels, each by itself."""

import pytest
import torch

from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.training.batch import Moment, read_batches
from voxsiam.training.loop import build_objective
from voxsiam.training.voxel_draw import VoxelDraw

CPU = torch.device("cpu")


def weights(seed):
    return build_objective(make_recipe(layers=3), seed, CPU).state_dict()


def test_the_first_weights_of_every_part_follow_from_the_seed():
    first, again, other = weights(3), weights(3), weights(4)
    drawn = [n for n in first if first[n].ndim > 1]
    assert any(name.startswith("heads.") for name in drawn)
    assert any(name.startswith("network.") for name in drawn)
    for name in drawn:
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name]), f"{name} is the same for two seeds"


def chosen(moment):
    """The voxels that are drawn on each level, with the same weights at every moment."""
    objective = build_objective(make_recipe(layers=3), 0, CPU)
    (batch,) = read_batches([("a", "b")], make_volume, 0, 1)
    output = objective.network(batch.images)
    assert objective.heads is not None
    config = objective.heads.config
    draw = VoxelDraw(batch, output.logits, moment, config)
    strides = objective.network.feature_strides
    levels = [draw.level(i, output.features[i], strides[i]) for i in range(config.layers)]
    return [level.chosen.tolist() for level in levels]


@pytest.mark.parametrize(
    "other", [Moment(1, 2, 3), Moment(0, 1, 3), Moment(0, 2, 4)], ids=["seed", "epoch", "step"]
)
def test_voxels_are_drawn_anew_for_each_seed_epoch_and_step(other):
    moment = Moment(0, 2, 3)
    assert chosen(moment) == chosen(moment)
    # The deepest level holds fewer voxels than may be drawn: nothing is chosen there.
    apart = [ours != theirs for ours, theirs in zip(chosen(moment), chosen(other), strict=True)]
    assert any(apart[1:])
