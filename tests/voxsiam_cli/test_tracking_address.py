"""What of MLFLOW_TRACKING_URI may be shown: an address, and nothing that opens a door."""

import pytest
from typer.testing import CliRunner

from voxsiam.errors import UserError
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.app import app

SECRET = "s3cr3t-of-ours"

OPENING = (
    f"http://user:{SECRET}@mlflow.lab:5000",
    f"https://{SECRET}@mlflow.lab",
    f"https://mlflow.lab/?token={SECRET}",
    f"https://mlflow.lab/?api_key={SECRET}",
    f"https://mlflow.lab/#{SECRET}",
    f"postgresql://user:{SECRET}@mlflow.lab/db",
    f"postgresql://user@mlflow.lab/db?password={SECRET}",
    f"postgresql://user@mlflow.lab/db?sslpassword={SECRET}",
    f"http://[{SECRET}",
)


@pytest.mark.parametrize("uri", OPENING)
def test_a_token_in_the_address_is_refused_and_not_shown(tmp_path, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    done = CliRunner().invoke(app, ["ui", "--workspace", str(tmp_path)])
    assert isinstance(done.exception, UserError)
    assert SECRET not in done.output + str(done.exception)


@pytest.mark.parametrize(
    "uri", ["http://mlflow.lab:5000", "postgresql://user@h/d?sslmode=require", "sqlite:////w/m.db"]
)
def test_addresses_without_secrets_stay(tmp_path, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert Workspace(tmp_path).tracking_uri == uri


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"Z" * 8000])
@pytest.mark.parametrize("command", [["ui"], ["workspace", "repair", "--dry-run"]])
def test_a_garbled_database_is_told_with_its_file(tmp_path, monkeypatch, content, command):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "mlflow.db").write_bytes(content)
    done = CliRunner().invoke(app, [*command, "--workspace", str(tmp_path)])
    assert isinstance(done.exception, UserError)
    assert "the tracking database cannot be" in done.exception.what
    assert "mlflow.db" in done.exception.where
