import pytest

from tests.voxsiam.training.toy import make_recipe
from voxsiam.errors import UserError
from voxsiam.training.overrides import override


def test_a_field_is_set_with_its_own_type():
    recipe = override(
        make_recipe(),
        ["optimiser.learning_rate=0.01", "epochs=7", "feature_loss.sampling.max_voxels=9"],
    )
    assert recipe.optimiser.learning_rate == 0.01
    assert recipe.epochs == 7
    assert recipe.feature_loss is not None
    assert recipe.feature_loss.sampling.max_voxels == 9
    assert recipe.feature_loss.sampling.max_false_negatives == 35


def test_an_override_changes_the_identity():
    assert override(make_recipe(), ["epochs=7"]).fingerprint() != make_recipe().fingerprint()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "form name=value"),
        ("epohcs=3", "did you mean 'epochs'"),
        ("optimiser.learning_rat=3", "did you mean 'learning_rate'"),
        ("epochs=many", "valid integer"),
        ("epochs=0", "greater than or equal to 1"),
        ("epochs.deep=1", "has no fields of its own"),
        ("network.name=unet4d", "unet3d"),
        ("feature_loss.layers=4", "less than or equal to 3"),
        ("numerics.autocast=float16", "bfloat16"),
        ("=1", "no field"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(setting, message):
    with pytest.raises(UserError) as refused:
        override(make_recipe(), [setting])
    assert message in str(refused.value)
    assert "--set" in refused.value.where


def test_a_setting_of_a_row_without_the_part_is_refused():
    with pytest.raises(UserError, match="no fields of its own here"):
        override(make_recipe(layers=0), ["feature_loss.weight=1"])
