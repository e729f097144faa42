import dataclasses

import numpy as np
import pytest
import torch

from tests.voxsiam.inference.small_models import CPU, describe, random_network
from tests.voxsiam.training.toy import make_volume
from voxsiam.inference.segment import network_output
from voxsiam.inference.voxel_features import VOXELS_PER_CLASS, draw_features, join_cases
from voxsiam.types import PAPER_ORGANS

STRIDES = (8, 4, 2, 1)
VOLUME = make_volume("a")


def position_features(shape=(16, 16, 16)):
    """Levels whose feature is the voxel's own place on the level's grid."""
    for stride in STRIDES:
        axes = [torch.arange(n // stride) for n in shape]
        yield torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].float()


def drawn(volume=VOLUME, num_cases=1):
    return draw_features(list(position_features()), STRIDES, volume, num_cases)


def places(level):
    return {tuple(place) for place in level.features.astype(int).tolist()}


def test_the_three_deepest_levels_are_drawn_and_every_voxel_has_its_own_class_and_feature():
    levels = drawn()
    assert len(levels) == 3
    for level, stride in zip(levels, STRIDES, strict=False):
        for place, found in zip(level.features.astype(int), level.classes, strict=True):
            assert VOLUME.label[tuple(stride * place)] == found


def test_every_class_of_a_level_gets_its_budget_and_one_that_vanishes_gets_none():
    for level, stride in zip(drawn(num_cases=8), STRIDES, strict=False):
        there = VOLUME.label[::stride, ::stride, ::stride]
        for value in range(9):
            expected = min((there == value).sum(), VOXELS_PER_CLASS // 8)
            assert (level.classes == value).sum() == expected
        assert len(places(level)) == len(level.classes)
    deepest = VOLUME.label[::8, ::8, ::8]
    assert set(range(9)) - set(deepest.ravel())


def test_the_cases_share_the_budget():
    few, many = drawn(num_cases=1)[2], drawn(num_cases=20)[2]
    assert (few.classes == 0).sum() == VOXELS_PER_CLASS
    assert (many.classes == 0).sum() == 2
    # Smallest keys: a smaller budget keeps a part of the larger one's voxels.
    assert places(many) < places(few)


def test_the_voxels_follow_from_case_and_level_alone():
    other = dataclasses.replace(VOLUME, case_id="b")
    assert [places(level) for level in drawn()] == [places(level) for level in drawn()]
    assert places(drawn(num_cases=8)[2]) != places(drawn(other, num_cases=8)[2])


def test_background_that_may_hide_an_organ_is_left_out():
    partly = dataclasses.replace(VOLUME, annotated=PAPER_ORGANS[:-1])
    assert all(0 in level.classes for level in drawn()[1:])
    assert not any(0 in level.classes for level in drawn(partly))


def test_what_half_precision_cannot_hold_stays_a_number():
    features = [1e6 * feature for feature in position_features()]
    for level in draw_features(features, STRIDES, VOLUME, 1):
        assert level.features.dtype == np.float16
        assert np.isfinite(level.features).all()


def test_cases_are_joined_level_by_level():
    first, second = drawn(num_cases=8), drawn(make_volume("b"), num_cases=8)
    joined = join_cases({"a": first, "b": second})
    for whole, a, b in zip(joined, first, second, strict=True):
        assert whole.cases.tolist() == [0] * len(a.classes) + [1] * len(b.classes)
        np.testing.assert_array_equal(whole.classes, np.concatenate([a.classes, b.classes]))
        np.testing.assert_array_equal(whole.features, np.concatenate([a.features, b.features]))


@pytest.mark.parametrize("name", ["unet3d", "residual_unet3d", "vnet", "attention_unet3d"])
def test_every_network_gives_features_of_its_own_levels(name):
    network = random_network(describe(name).network)
    volume = make_volume("a")
    output = network_output(network, volume.image, autocast=True, device=CPU)
    levels = draw_features(output.features, network.feature_strides, volume, 1)
    widths = [level.features.shape[1] for level in levels]
    assert widths == list(network.feature_channels[:3])
