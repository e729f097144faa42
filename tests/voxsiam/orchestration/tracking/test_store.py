"""What is told before anything is started, and not afterwards as a server that is away."""

import sqlite3

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.orchestration.tracking.store import (
    check_address,
    experiment_of,
    open_client,
    open_for_writing,
)
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.app import app


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("mlruns", "is a folder"),
        ("./mlruns", "is a folder"),
        ("file:///shared/mlruns", "is a folder"),
        ("/shared/mlruns", "is a folder"),
        ("htp://127.0.0.1:5000", "none of a store that is known"),
        ("databricks", "is a folder"),
        ("databricks://profile", "none of a store that is known"),
        ("http://", "none of a store that is known"),
        ("http:127.0.0.1", "none of a store that is known"),
        ("mysql://u@127.0.0.1/d", "none of a store that is known"),
        ("http://no-such-host.invalid:5000", "'no-such-host.invalid' .* is not known"),
        ("postgresql://u@no-such-host.invalid/d", "'no-such-host.invalid' .* is not known"),
        ("postgresql+psycopg://u@no-such-host.invalid/d", "is not known"),
        (f"http://{'a' * 70}.invalid", "is not known"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address, what):
    with pytest.raises(UserError, match=what) as caught:
        check_address(address)
    assert caught.value.where.startswith("MLFLOW_TRACKING_URI=")
    assert "u@no-such" not in caught.value.where
    assert "unset it" in caught.value.fix


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9", "https://localhost", "sqlite:////nowhere/mlflow.db",
     "postgresql://u@127.0.0.1/d", "postgresql+psycopg://u@localhost:1/d"],
)  # fmt: skip
def test_a_server_that_only_does_not_answer_is_no_reason(address):
    check_address(address)


@pytest.mark.parametrize("command", [("study", "run", "table3"), ("sweep", "run", "lambda")])
def test_nothing_is_started_for_it(tmp_path, monkeypatch, command):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlruns")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is a folder"):
        app([*command, "--preset", "tiny", "-w", "w"], standalone_mode=False)
    assert not (tmp_path / "mlruns").exists()
    assert list((tmp_path / "w").iterdir()) == []


def test_a_deleted_experiment_is_told_with_what_restores_it(tmp_path):
    home = Workspace(tmp_path / "w")
    client = open_for_writing(home)
    number = experiment_of(client, home)
    client.delete_experiment(number)
    for use in (
        lambda: experiment_of(open_for_writing(home), home),
        lambda: list(RunReader(home.tracking_uri).search("")),
    ):
        with pytest.raises(UserError, match="was deleted in MLflow") as caught:
            use()
        assert f"mlflow experiments restore --experiment-id {number}" in caught.value.fix
        assert home.tracking_uri in caught.value.fix
    client.restore_experiment(number)
    assert experiment_of(client, home) == number


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_told(tmp_path, content):
    home = Workspace(tmp_path / "w")
    (home.root / "mlflow.db").write_bytes(content)
    with pytest.raises(UserError, match="cannot be opened") as caught:
        open_client(home.tracking_uri)
    assert caught.value.where == home.tracking_uri
    assert (home.root / "mlflow.db").read_bytes() == content


def test_a_database_of_something_else_is_told_or_taken(tmp_path):
    """MLflow makes its tables in it; what was there stays."""
    home = Workspace(tmp_path / "w")
    with sqlite3.connect(home.root / "mlflow.db") as database:
        database.execute("CREATE TABLE ours (a)")
    experiment_of(open_for_writing(home), home)
    with sqlite3.connect(home.root / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM ours").fetchone() == (0,)
