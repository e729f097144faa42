import os
import signal
import subprocess
import sys

import psutil
import pytest
from typer.testing import CliRunner

from tests.integration.programs import START, read_until
from tests.tracking_server import free_port
from voxsiam.errors import UserError
from voxsiam_cli.app import app
from voxsiam_cli.tracking import tell_open_advisories

SECRET = "k3y-of-the-database"


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("--store", f"postgresql://u:{SECRET}@h/d"), "PGPASSWORD"),
        (("--store", f"postgresql://h/d?user=u&password={SECRET}"), "MLFLOW_BACKEND_STORE_URI"),
        (("--host", "0.0.0.0"), "--login"),  # noqa: S104
        (("--host", "0.0.0.0", "--login"), "--allowed-host"),  # noqa: S104
        (("--allowed-host", "*"), "name the hosts"),
    ],
)
def test_an_open_door_or_a_seen_password_is_refused(tmp_path, words, fix):
    words = ["tracking", "serve", *words, "--workspace", str(tmp_path)]
    error = CliRunner().invoke(app, [*words, "--port", str(free_port())]).exception
    assert isinstance(error, UserError)
    assert fix in error.fix
    assert SECRET not in str(error)


def test_a_hole_that_no_mlflow_answers_is_told(capsys):
    tell_open_advisories()
    told = capsys.readouterr().out
    assert "CVE-2026-116692 (runs code without a login): no MLflow is known to answer it" in told
    assert "let nobody reach this port whom you do not trust" in told


def test_nothing_to_replay_is_said(tmp_path):
    result = CliRunner().invoke(app, ["tracking", "replay", "--workspace", str(tmp_path)])
    assert result.exit_code == 0
    assert "told everything" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_server_leaves_no_process(child_environment, tmp_path, number, code):
    port = str(free_port())
    process = subprocess.Popen(
        [sys.executable, "-c", START, "tracking", "serve", "--login", "--port", port],
        env=child_environment | {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{tmp_path / 'a.db'}"},
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = read_until(process, "Application startup complete")
    assert "first password in" in said
    password = (tmp_path / "voxsiam-workspace" / "tracking" / "admin-password").read_text().strip()
    assert password not in said
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 2
    os.kill(process.pid, number)
    rest = process.stdout.read() if process.stdout else ""
    assert process.wait() == code, rest
    assert password not in rest
    assert not [p for p in started if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert (tmp_path / "a.db").exists()
