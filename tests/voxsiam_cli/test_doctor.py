"""Doctor tells who can reach Ray on this machine, and who can read its token."""

import json

import pytest
from typer.testing import CliRunner

from voxsiam.orchestration.cluster.ray_ports import RayPort
from voxsiam_cli import doctor
from voxsiam_cli.app import app


def findings(tmp_path):
    result = CliRunner().invoke(app, ["doctor", "--json", "--workspace", str(tmp_path)])
    return json.loads(result.stdout)


def named(findings, beginning):
    return [finding for finding in findings if finding["what"].startswith(beginning)]


def test_the_ports_of_a_running_ray_are_listed(ray_instance, tmp_path):
    told = findings(tmp_path)
    # Other people's Rays on this machine are listed too.
    ours = [gcs for gcs in named(told, "port of gcs_server") if gcs["ok"]]
    assert ours
    assert any(gcs["found"].endswith(", this machine alone, wants a token") for gcs in ours)
    assert "yes" in {gcs["facts"]["wants_token"] for gcs in ours}
    assert len(named(told, "port of ")) >= 8
    assert not named(told, "Ray's ports")


def test_no_ray(tmp_path, monkeypatch):
    monkeypatch.setattr("voxsiam.orchestration.cluster.ray_ports.find_ray_ports", list)
    (told,) = named(findings(tmp_path), "Ray's ports")
    assert (told["found"], told["ok"]) == ("no Ray is running", True)


@pytest.mark.parametrize(
    ("is_outside", "wants", "ok"),
    [
        (True, "no", False),
        (True, "yes", True),
        (True, "not asked", True),
        (False, "no", True),
    ],
)
def test_a_port_that_anyone_may_use_fails(is_outside, wants, ok):
    port = RayPort("monitor.py", 1, "0.0.0.0", 44217, is_outside, wants, "HTTP 200")  # noqa: S104
    told = doctor._ray_port(port)
    assert told.ok == ok
    assert ("docs/security.md" in told.fix) == is_outside


def test_a_token_that_others_can_read_fails(tmp_path, monkeypatch):
    token = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    (none,) = named(findings(tmp_path), "Ray's token")
    assert (none["found"], none["ok"]) == ("none yet", True)
    token.write_text("0" * 64)
    token.chmod(0o640)
    (told,) = named(findings(tmp_path), "Ray's token")
    assert not told["ok"]
    assert told["fix"] == f"chmod 600 {token}"
    token.chmod(0o600)
    (told,) = named(findings(tmp_path), "Ray's token")
    assert told["ok"]
    assert "0000" not in told["found"]
