import pytest
from pydantic import ValidationError

from tests.voxsiam.orchestration.toy_sweep import SETTINGS
from voxsiam.errors import UserError
from voxsiam.orchestration.sweeps.space import SearchSpace, Setting
from voxsiam_experiments.recipes import voxel_simsiam

VOXELS = Setting(
    name="voxels",
    path="feature_loss.sampling.max_voxels",
    low=100,
    high=6800,
    log=True,
    scales_with_grid=True,
)
SHARE = Setting(
    name="false negatives",
    path="feature_loss.sampling.max_false_negatives",
    low=0.0,
    high=1.0,
    share_of="feature_loss.sampling.max_voxels",
)


def space(*settings):
    return SearchSpace(base=voxel_simsiam(), settings=settings)


def test_values_go_where_their_paths_say_and_nothing_else_changes():
    found = space(*SETTINGS).recipe({"lambda": 3.5, "layers": 1})
    assert found.feature_loss is not None
    assert (found.feature_loss.weight, found.feature_loss.layers) == (3.5, 1)
    base = voxel_simsiam()
    assert found.with_changes(feature_loss=base.feature_loss) == base


def test_a_share_is_of_the_value_that_was_set_before_it():
    found = space(VOXELS, SHARE).recipe({"voxels": 400, "false negatives": 0.25})
    assert found.feature_loss is not None
    sampling = found.feature_loss.sampling
    assert (sampling.max_voxels, sampling.max_false_negatives) == (400, 100)


def test_the_recipe_itself_is_a_point_of_the_space():
    whole = space(*SETTINGS, VOXELS, SHARE)
    values = whole.base_values()
    assert values == {
        "lambda": 10.0,
        "layers": 3,
        "voxels": 1700,
        "false negatives": pytest.approx(1000 / 1700),
    }
    assert whole.recipe(values) == voxel_simsiam()


def test_a_recipe_outside_the_ranges_counts_as_their_nearest_point():
    narrow = Setting(name="lambda", path="feature_loss.weight", low=0.1, high=5.0)
    chosen = Setting(name="layers", path="feature_loss.layers", choices=(1, 2))
    assert space(narrow, chosen).base_values() == {"lambda": 5.0, "layers": 2}


def test_ranges_shrink_with_the_grid_where_they_say_so():
    small = VOXELS.scaled(0.05)
    assert (small.low, small.high) == (5, 340)
    assert SHARE.scaled(0.05) == SHARE
    assert VOXELS.scaled(1e-9).distribution().single() is False


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"low": 1.0},
        {"low": 2.0, "high": 1.0},
        {"low": 1.0, "high": 2.0, "choices": (1, 2)},
    ],
)
def test_a_setting_has_a_range_or_choices(fields):
    with pytest.raises(ValidationError, match="give a range or choices"):
        Setting(name="x", path="epochs", **fields)


def test_values_that_contradict_the_recipe_are_refused():
    five = Setting(name="layers", path="feature_loss.layers", choices=(3, 5))
    with pytest.raises(UserError, match="must be at most 4"):
        space(five).recipe({"layers": 5})


def test_a_space_with_such_values_is_refused_before_the_search():
    space(*SETTINGS, VOXELS, SHARE).check()
    five = Setting(name="layers", path="feature_loss.layers", choices=(3, 5))
    with pytest.raises(UserError, match="must be at most 4"):
        space(five).check()
