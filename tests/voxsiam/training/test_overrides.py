import pytest

from tests.voxsiam.training.toy import make_recipe
from voxsiam.errors import UserError
from voxsiam.training.overrides import override
from voxsiam.volumes.preparation_config import PreparationConfig


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
        ("feature_loss.layers=5", "unet3d has 4 encoder levels"),
        ("numerics.autocast=float16", "bfloat16"),
        ("=1", "no field"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(setting, message):
    with pytest.raises(UserError) as refused:
        override(make_recipe(), [setting])
    assert message in str(refused.value)
    assert "--set" in refused.value.where


def test_fields_that_need_each_other_come_in_any_order():
    settings = ["std_hu=90", "intensity=standard", "mean_hu=40"]
    for order in (settings, settings[::-1]):
        config = override(PreparationConfig(), order)
        assert (config.intensity, config.mean_hu, config.std_hu) == ("standard", 40, 90)


def test_of_two_settings_the_later_counts():
    config = override(PreparationConfig(), ["crop=box", "grid_dhw=[16, 24, 32]", "crop=body"])
    assert config == PreparationConfig(crop="body", grid_dhw=(16, 24, 32))


@pytest.mark.parametrize(
    ("settings", "where", "message"),
    [
        (["crop=body", "std_hu=0"], "--set std_hu=0", "greater than 0"),
        (["crop=body", "mean_hu=4"], "--set crop=body mean_hu=4", "for intensity=standard only"),
        (["crop=body", "window_hu=[1,0]"], "--set window_hu=[1,0]", "the window must ascend"),
    ],
)
def test_the_setting_to_blame_is_named(settings, where, message):
    with pytest.raises(UserError) as refused:
        override(PreparationConfig(), settings)
    assert refused.value.where == where
    assert message in refused.value.what
    assert "value error" not in refused.value.what.lower()


def test_the_example_fits_what_is_set():
    with pytest.raises(UserError) as refused:
        override(PreparationConfig(), ["crop"], example="crop=body")
    assert refused.value.fix == "for example: --set crop=body"


def test_a_setting_of_a_row_without_the_part_is_refused():
    with pytest.raises(UserError, match="no fields of its own here"):
        override(make_recipe(layers=0), ["feature_loss.weight=1"])


@pytest.mark.parametrize(
    "setting",
    [
        "network.width=1e30", "network.width=4097", "network.num_classes=1e30", "epochs=1e30",
        "batch_size=1e30", "feature_loss.layers=1e30", "feature_loss.warm_up_epochs=1e30",
        "epochs=" + "[" * 10**5, "epochs=" + "9" * 5000,
    ],
)  # fmt: skip
def test_numbers_that_nothing_can_hold_are_refused(setting):
    with pytest.raises(UserError):
        override(make_recipe(), [setting], example="epochs=3")
