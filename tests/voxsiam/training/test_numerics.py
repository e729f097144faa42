import torch

from tests.voxsiam.training.toy import SHAPE, make_recipe
from voxsiam.training.config import NumericsConfig
from voxsiam.training.loop import build_objective
from voxsiam.training.numerics import resolve_numerics


def test_what_is_left_open_is_settled_and_the_rest_is_kept():
    recipe = make_recipe().with_changes(numerics=NumericsConfig(autocast="float32"))
    settled = resolve_numerics(recipe, SHAPE, cases=1, threads=1)
    assert settled.numerics.resolved
    assert settled.numerics.autocast == "float32"
    assert settled.with_changes(numerics=recipe.numerics) == recipe


def test_settled_numerics_are_not_measured_again():
    recipe = make_recipe()
    assert resolve_numerics(recipe, SHAPE, cases=1, threads=1) is recipe


def test_the_layout_reaches_the_weights():
    numerics = NumericsConfig(autocast="float32", memory_format="channels_last")
    objective = build_objective(
        make_recipe().with_changes(numerics=numerics), 0, torch.device("cpu")
    )
    weight = objective.network.encoder[1].get_submodule("0.conv").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
