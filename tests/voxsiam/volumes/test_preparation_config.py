import pytest
from pydantic import ValidationError

from voxsiam.volumes.preparation_config import PreparationConfig

SMALL = PreparationConfig(grid_dhw=(16, 24, 32))


def test_paper_defaults():
    assert PreparationConfig().model_dump() == {
        "grid_dhw": (64, 128, 128),
        "window_hu": (-200, 250),
        "order": "window_then_resample",
        "interpolation": "linear",
        "anti_alias": False,
        "intensity": "unit",
        "mean_hu": None,
        "std_hu": None,
        "crop": "none",
    }


STANDARD = {"intensity": "standard", "mean_hu": 40, "std_hu": 90}

BAD = {
    "grid not of eights": ({"grid_dhw": (64, 128, 100)}, "multiple of 8"),
    "grid too small": ({"grid_dhw": (8, 128, 128)}, "at least 16"),
    "grid of nothing": ({"grid_dhw": (0, 16, 16)}, "multiple of 8"),
    "negative grid": ({"grid_dhw": (-16, 16, 16)}, "multiple of 8"),
    "falling window": ({"window_hu": (250, -200)}, "ascend"),
    "empty window": ({"window_hu": (1, 1)}, "ascend"),
    "window of NaN": ({"window_hu": (float("nan"), 1)}, "finite"),
    "endless window": ({"window_hu": (0, float("inf"))}, "finite"),
    "misspelt field": ({"windw_hu": (0, 1)}, "Extra"),
    "unknown order": ({"order": "window"}, "resample_then_window"),
    "unknown interpolation": ({"interpolation": "nearest"}, "cubic"),
    "interpolation by number": ({"interpolation": 3}, "cubic"),
    "unknown intensity": ({"intensity": "zscore"}, "zscore_volume"),
    "unknown crop": ({"crop": "label"}, "body"),
    "mean without standard": ({"mean_hu": 40}, "standard only"),
    "deviation without standard": ({"std_hu": 90}, "standard only"),
    "statistics beside a volume's own": (
        STANDARD | {"intensity": "zscore_volume"},
        "standard only",
    ),
    "standard alone": ({"intensity": "standard"}, "needs both"),
    "standard without mean": (STANDARD | {"mean_hu": None}, "needs both"),
    "standard without deviation": (STANDARD | {"std_hu": None}, "needs both"),
    "deviation of zero": (STANDARD | {"std_hu": 0}, "greater than 0"),
    "negative deviation": (STANDARD | {"std_hu": -1}, "greater than 0"),
    "deviation of NaN": (STANDARD | {"std_hu": float("nan")}, "finite|greater"),
    "infinite deviation": (STANDARD | {"std_hu": float("inf")}, "finite"),
    "deviation below float16": (STANDARD | {"std_hu": 1e-3}, "float16"),
    "mean outside the window": (STANDARD | {"mean_hu": 251}, "in the window"),
    "mean of NaN": (STANDARD | {"mean_hu": float("nan")}, "finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configurations_are_refused(name):
    fields, words = BAD[name]
    with pytest.raises(ValidationError, match=words):
        PreparationConfig(**fields)


def test_changed_fields_leave_out_defaults_and_the_grid():
    assert SMALL.changed_fields() == {}
    changed = PreparationConfig(window_hu=(-160, 240), anti_alias=True).changed_fields()
    assert changed == {"window_hu": [-160.0, 240.0], "anti_alias": True}
