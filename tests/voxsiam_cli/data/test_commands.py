from pathlib import Path

import pytest
from typer.testing import CliRunner

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.preparation import PREPARATION_VERSION
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_cli.data.commands import app
from voxsiam_cli.data.prepared import choose_preparation
from voxsiam_data.prepared.record import PreparedCase, PreparedRecord, data_fingerprint


def test_without_settings_everything_but_the_grid_is_the_papers():
    assert choose_preparation((16, 24, 32), ()) == PreparationConfig(grid_dhw=(16, 24, 32))


def test_every_field_can_be_set():
    settings = [
        "grid_dhw=[16, 16, 32]",
        "window_hu=[-160, 240]",
        "order=resample_then_window",
        "interpolation=cubic",
        "anti_alias=true",
        "intensity=standard",
        "mean_hu=40",
        "std_hu=90.5",
        "crop=body",
    ]
    assert {setting.split("=")[0] for setting in settings} == set(PreparationConfig.model_fields)
    chosen = choose_preparation((64, 128, 128), settings).model_dump()
    default = PreparationConfig().model_dump()
    assert not [name for name, value in chosen.items() if value == default[name]]


@pytest.mark.parametrize(
    ("grid", "settings", "where"),
    [
        ((64, 100, 100), (), "--grid"),
        ((8, 128, 128), (), "--grid"),
        ((64, 128, 128), ("interpolation=nearest",), "--set interpolation=nearest"),
        ((64, 128, 128), ("interpolate=cubic",), "--set interpolate"),
        ((64, 128, 128), ("mean_hu=40",), "--set mean_hu=40"),
        ((64, 128, 128), ("cubic",), "--set"),
    ],
)
def test_what_cannot_be_prepared_is_refused_before_anything_is_read(grid, settings, where):
    with pytest.raises(UserError) as refused:
        choose_preparation(grid, settings)
    assert refused.value.where == where


def described(folder: Path, config: PreparationConfig, box, *, checked: bool = True) -> str:
    case = PreparedCase(
        case_id="anna", patient_id="anna", source="clinic", key="0" * 16, shape=config.grid_dhw,
        spacing_mm=(1.0, 1.0, 1.0), native_shape=(40, 40, 40), native_spacing_mm=(1.0, 1.0, 1.0),
        box_dhw=box, organ_voxels=dict.fromkeys(PAPER_ORGANS, 1), annotated=PAPER_ORGANS,
    )  # fmt: skip
    record = PreparedRecord(
        version=PREPARATION_VERSION,
        name="clinic",
        kind="real",
        fingerprint=data_fingerprint(config, [case]),
        config=config,
        cases=(case,),
        checked=checked,
    )
    (folder / "prepared.json").write_text(record.model_dump_json())
    result = CliRunner().invoke(
        app, ["describe", str(folder)], catch_exceptions=False, env={"COLUMNS": "200"}
    )
    assert result.exit_code == 0
    return result.output


def test_describe_is_silent_about_the_papers_preparation(tmp_path):
    text = described(tmp_path, PreparationConfig(), None)
    assert "anna" in text
    assert "=" not in text.replace(str(tmp_path), "")
    assert "box" not in text


def test_describe_tells_that_cases_were_not_checked(tmp_path):
    words = "not all cases have passed the checks"
    assert words in described(tmp_path, PreparationConfig(), None, checked=False)
    assert words not in described(tmp_path, PreparationConfig(), None)


def test_describe_tells_what_differs_and_the_boxes(tmp_path):
    config = PreparationConfig(crop="box", interpolation="cubic", window_hu=(-160, 240))
    text = described(tmp_path, config, ((1, 30), (2, 31), (3, 32)))
    assert "crop = box" in text
    assert "interpolation = cubic" in text
    assert "window_hu = [-160.0, 240.0]" in text
    assert "box" in text.replace("crop = box", "")
