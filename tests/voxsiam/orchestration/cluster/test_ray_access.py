"""S5: a Ray of ours listens on loopback, asks for a token, and keeps the token to its user."""

import ipaddress
import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import ray
from ray._private import ray_constants

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.local_session import ray_folder
from voxsiam.orchestration.cluster.ray_access import (
    OUTSIDE,
    keep_token_private,
    on_loopback,
    readable_by_others,
    token_file,
)
from voxsiam.orchestration.cluster.ray_settings import apply_ray_settings


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", OUTSIDE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def session_processes(folder):
    """Ray's processes of a session: they name its folder, or descend from one that does."""
    found = set()
    for process in psutil.process_iter():
        try:
            if any(str(folder) in word for word in process.cmdline()):
                found |= {process, *process.children(recursive=True)}
        except psutil.Error:
            continue
    return found


def session_folder():
    return Path(ray._private.worker._global_node.get_session_dir_path())  # pyright: ignore


def test_every_port_of_our_ray_is_bound_to_loopback(ray_instance):
    listening = []
    for process in {psutil.Process(), *session_processes(session_folder())}:
        try:
            listening += [
                c.laddr.ip for c in process.net_connections("tcp") if c.status == "LISTEN"
            ]
        except psutil.NoSuchProcess:
            continue
    assert len(listening) >= 8
    assert all(is_loopback(address) for address in listening), listening


def is_loopback(text):
    address = ipaddress.ip_address(text)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def test_the_token_is_in_no_command_line_and_no_log(ray_instance):
    token = (os.environ.get("RAY_AUTH_TOKEN") or token_file().read_text()).strip()
    assert len(token) >= 32
    processes = session_processes(session_folder())
    assert len(processes) >= 5
    for process in processes:
        assert all(token not in word for word in process.cmdline())
    files = [path for path in session_folder().rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if token.encode() in path.read_bytes()]


def test_our_sessions_and_token_belong_to_their_user_alone(ray_instance):
    # Ray has opened the folders below by now.
    assert mode(ray_folder().parent) == 0o700
    assert session_folder().parent == ray_folder()
    assert not readable_by_others(token_file())


def test_a_token_is_made_for_its_user_alone(home):
    keep_token_private()
    made = home / ".ray" / "auth_token"
    assert mode(made) == 0o600
    assert len(made.read_text()) == 64
    assert [path.name for path in made.parent.iterdir()] == ["auth_token"]
    before = made.read_text()
    made.chmod(0o644)
    assert readable_by_others(made)
    keep_token_private()
    assert mode(made) == 0o600
    assert made.read_text() == before


def test_commands_that_start_together_make_one_token(home, child_environment):
    code = (
        "from voxsiam.orchestration.cluster.ray_access import keep_token_private, token_file;"
        "keep_token_private(); print(token_file().read_text())"
    )
    environment = child_environment | {"HOME": str(home)}
    children = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    assert len({child.communicate()[0] for child in children}) == 1
    assert [path.name for path in (home / ".ray").iterdir()] == ["auth_token"]


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_a_token_given_otherwise_is_not_made_up(home, monkeypatch, name):
    monkeypatch.setenv(name, str(home / "given"))
    keep_token_private()
    assert not list(home.rglob("*"))


def test_all_interfaces_without_a_token_are_refused(home, monkeypatch):
    monkeypatch.setenv(OUTSIDE, "1")
    with on_loopback():
        assert ray_constants.ENABLE_RAY_CLUSTER
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UserError, match="without a token"), on_loopback():
        pytest.fail("it would have started")


JOIN = """
import sys
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.ray_access import require_known_token
try:
    require_known_token(sys.argv[1])
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, ""),
        ({"RAY_AUTH_TOKEN": "0" * 64}, "does not know our token"),
        ({"RAY_AUTH_TOKEN_PATH": "/nowhere/token"}, "does not know our token"),
        ({"RAY_AUTH_MODE": "disabled"}, "does not know our token"),
    ],
)
def test_a_cluster_that_turns_our_token_away_says_so_at_once(
    ray_instance, child_environment, variables, said
):
    address = ray.get_runtime_context().gcs_address
    ours = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_file().read_text()}
    given = ours | variables
    if "RAY_AUTH_TOKEN_PATH" in variables:
        del given["RAY_AUTH_TOKEN"]
    done = subprocess.run(
        [sys.executable, "-c", JOIN, address],
        env=child_environment | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == (3 if said else 0), done.stdout
    if said:
        assert said in lines[0]
        assert lines[1] == f"  where: RAY_ADDRESS={address}"


def nobody(monkeypatch):
    """A user without HOME and without an entry in the list of users, as in many containers."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])


def test_without_a_home_nothing_fails_before_ray_is_started(monkeypatch):
    nobody(monkeypatch)
    apply_ray_settings()
    with pytest.raises(UserError, match="no home folder") as caught:
        keep_token_private()
    assert "export HOME=" in caught.value.fix


def test_a_home_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="token cannot be kept") as caught:
        keep_token_private()
    assert "HOME" in caught.value.fix
