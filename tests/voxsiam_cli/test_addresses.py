"""An address where a path is needed is refused, and no folder of its name is made."""

import pytest

from voxsiam.errors import UserError
from voxsiam_cli.app import app

COMMANDS = (
    "study status -w",
    "study run table3 --preset tiny -w",
    "study report table3 -o",
    "sweep status lambda -w",
    "sweep report lambda -o",
    "demo --workspace",
    "workspace repair -w",
    "data prepare SOURCE -o",
    "data phantom --cases 1 -o",
    "data check SOURCE -o",
    "data split PREPARED -o",
    "data fetch zenodo -o",
    "predict -i ct.nii.gz --model MODEL -o",
    "evaluate -p a -r b -o",
)


@pytest.mark.parametrize("address", ["s3://bucket/work", "gs://bucket/work"])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_address_is_no_folder(tmp_path, monkeypatch, command, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"'{address}' is an address, and a path is needed"):
        app([*command.split(), address], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_called_so_is_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "work").mkdir(parents=True)
    app(["study", "status", "-w", "s3:/work"], standalone_mode=False)
    assert "it holds no study yet" in capsys.readouterr().out
