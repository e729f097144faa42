"""A tracking server is shut unless asked, and no secret is seen from outside."""

import os
import stat

import psutil
import pytest
from mlflow.server.auth.config import read_auth_config

from tests.tracking_server import free_port, serving
from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.server import Login, TrackingServer
from voxsiam.orchestration.tracking.store import (
    check_store,
    experiment_of,
    has_password,
    open_for_writing,
    without_password,
)
from voxsiam.orchestration.workspace import Workspace, sqlite_file

SECRET = "k3y-of-the-database"
ADMIN_SECRET = "k3y-of-the-admin-account"


def make_server(tmp_path, **changes):
    settings = {
        "store": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "artifacts": str(tmp_path / "artifacts"),
        "port": free_port(),
    }
    return TrackingServer(**(settings | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "0.0.0.0"}, "--login and --allowed-host NAME"),  # noqa: S104
        ({"host": "::"}, "--login and --allowed-host NAME"),
        ({"host": "a.lab"}, "--login and --allowed-host NAME"),
        ({"host": "0.0.0.0", "login": Login}, "add --allowed-host NAME"),  # noqa: S104
        ({"host": "0.0.0.0", "allowed_hosts": ("a.lab",)}, "add --login"),  # noqa: S104
        ({"allowed_hosts": ("*",)}, "name the hosts"),
        ({"allowed_hosts": ("*.lab",)}, "name the hosts"),
        ({"store": "mysql://u@h/d"}, "postgresql://USER@HOST"),
        ({"store": "./mlruns"}, "postgresql://USER@HOST"),
    ],
)
def test_what_would_stand_open_is_refused(tmp_path, changes, words):
    if "login" in changes:
        changes = changes | {"login": Login(tmp_path / "login")}
    with pytest.raises(UserError) as raised:
        make_server(tmp_path, **changes).check()
    assert words in raised.value.fix


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_needs_neither_login_nor_names(tmp_path, host):
    make_server(tmp_path, host=host).check()
    login = Login(tmp_path / "login")
    make_server(tmp_path, host="0.0.0.0", login=login, allowed_hosts=("a.lab",)).check()  # noqa: S104


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="cannot listen"):
            make_server(tmp_path, port=taken.getsockname()[1]).check()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (f"postgresql://u:{SECRET}@h:5432/d", "postgresql://u@h:5432/d"),
        (f"postgresql+psycopg://u:{SECRET}@h/d", "postgresql+psycopg://u@h/d"),
        (f"postgresql://h/d?user=u&password={SECRET}", "postgresql://h/d"),
    ],
)
def test_a_password_in_an_address_is_seen_and_not_shown(uri, shown):
    assert has_password(uri)
    assert without_password(uri) == shown
    assert not has_password(shown)


def test_sqlite_is_for_one_node():
    check_store("sqlite:////w/mlflow.db", 1)
    check_store("http://mlflow.lab:5000", 3)
    with pytest.raises(UserError, match="on 3 nodes") as raised:
        check_store("sqlite:////w/mlflow.db", 3)
    assert "voxsiam tracking serve" in raised.value.fix


def test_the_first_password_is_made_once_and_only_its_owner_reads_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_AUTH_ADMIN_PASSWORD", raising=False)
    login = Login(tmp_path / "tracking")
    first = login.prepare()
    assert len(first["MLFLOW_AUTH_ADMIN_PASSWORD"]) >= 24
    assert stat.S_IMODE(login.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(login.folder.stat().st_mode) == 0o700
    again = login.prepare()
    assert again["MLFLOW_AUTH_ADMIN_PASSWORD"] == first["MLFLOW_AUTH_ADMIN_PASSWORD"]
    assert again["MLFLOW_FLASK_SERVER_SECRET_KEY"] != first["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN_SECRET)
    assert login.prepare()["MLFLOW_AUTH_ADMIN_PASSWORD"] == ADMIN_SECRET
    login.password_file.unlink()
    login.users.touch()
    assert login.prepare()["MLFLOW_AUTH_ADMIN_PASSWORD"] == ADMIN_SECRET
    assert not login.password_file.exists()


@pytest.mark.parametrize("name", ["a%41", "100% mine?", "%(admin_username)s"])
def test_mlflow_finds_the_logins_whatever_their_folder_is_called(tmp_path, monkeypatch, name):
    login = Login(tmp_path / name)
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", login.prepare()["MLFLOW_AUTH_CONFIG_PATH"])
    assert sqlite_file(read_auth_config().database_uri) == login.users


def test_a_store_that_was_begun_without_its_server_is_not_shared(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path / "workspace")
    client = open_for_writing(workspace)
    mine = experiment_of(client, workspace)
    assert experiment_of(client, workspace) == mine
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    with pytest.raises(UserError, match="begun without a server"):
        experiment_of(client, workspace)


@pytest.mark.slow
def test_a_shared_server_asks_who_is_there_and_shows_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN_SECRET)
    login = Login(tmp_path / "login")
    names = {"allowed_hosts": ("mlflow.lab",), "login": login}
    with serving(tmp_path, host="0.0.0.0", **names) as running:  # noqa: S104
        path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        create = "/api/2.0/mlflow/runs/create"
        assert running.answers(path) == 401
        assert running.answers(create, method="POST") == 401
        assert running.answers("/api/3.0/jobs/1") in {401, 404}
        assert running.answers("/ajax-api/3.0/jobs/search", method="POST") in {401, 404, 405}
        assert running.answers(path, headers=basic("admin", "password1234")) == 401
        assert running.answers(path, headers=basic("admin", ADMIN_SECRET)) == 200
        for host, status in {
            "mlflow.lab": 200,
            "mlflow.lab:5000": 200,
            "evil.example": 403,
        }.items():
            assert running.answers(path, host, headers=basic("admin", ADMIN_SECRET)) == status
        told = {"Origin": "http://evil.example", **basic("admin", ADMIN_SECRET)}
        assert running.answers(create, method="POST", headers=told) == 403
        artifacts = "/api/2.0/mlflow-artifacts/artifacts"
        for way_out in (
            "/../../etc/passwd",
            "/..%2f..%2fetc%2fpasswd",
            "/..%252f..%252fetc%252fpasswd",
        ):
            door = running.answers(artifacts + way_out, headers=basic("admin", ADMIN_SECRET))
            assert door in {400, 403, 404}, way_out
        listed = running.answers(f"{artifacts}?path=../..", headers=basic("admin", ADMIN_SECRET))
        assert listed in {400, 403, 404}
        assert running.process is not None
        assert_nowhere(ADMIN_SECRET, running)
        started = psutil.Process(running.process.pid).children(recursive=True)
        assert not [p for p in started if "huey" in " ".join(p.cmdline())]


def basic(name, password):
    import base64

    word = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


def assert_nowhere(secret, running):
    """Not in the command line of any process, not in what the server prints."""
    processes = list(psutil.process_iter(["cmdline"]))
    assert any("mlflow" in " ".join(p.info["cmdline"] or []) for p in processes)
    assert not [p for p in processes if secret in " ".join(p.info["cmdline"] or [])]
    assert secret not in running.log.read_text()
    assert os.environ.get("MLFLOW_BACKEND_STORE_URI") is None
