import socket
import subprocess
import sys

import psutil
import pytest
import ray

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster import ray_instance as module
from voxsiam.orchestration.cluster.ray_instance import _end_leftovers, _is_running, ray_instance
from voxsiam.orchestration.workspace import Workspace


@pytest.fixture
def sleeper(tmp_path):
    """A process that carries a session's folder on its command line, as Ray's do."""
    code = "import sys; sys.stdout.write('up\\n'); sys.stdout.flush(); sys.stdin.read()"
    command = [sys.executable, "-c", code, f"--session-dir={tmp_path}/session_1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()


def record(workspace, folder, pid, started):
    session = {"folder": str(folder), "pid": pid, "started": started}
    write_json(workspace.ray / "session.json", session)


def test_what_a_dead_driver_left_behind_is_ended(sleeper, tmp_path):
    workspace = Workspace(tmp_path / "w")
    # This process's number, but not its time: the driver is gone and its number was given anew.
    record(workspace, tmp_path / "session_1", psutil.Process().pid, 1.0)
    _end_leftovers(workspace)
    assert sleeper.wait(timeout=30) != 0


def test_a_living_drivers_processes_and_other_sessions_are_left_alone(sleeper, tmp_path):
    workspace = Workspace(tmp_path / "w")
    me = psutil.Process()
    record(workspace, tmp_path / "session_1", me.pid, me.create_time())
    with pytest.raises(UserError, match="another command"):
        _end_leftovers(workspace)
    record(workspace, tmp_path / "session_2", me.pid, 1.0)
    _end_leftovers(workspace)
    assert sleeper.poll() is None


def test_a_spoiled_or_absent_record_ends_nothing(sleeper, tmp_path):
    workspace = Workspace(tmp_path / "w")
    _end_leftovers(workspace)
    workspace.ray.mkdir()
    (workspace.ray / "session.json").write_text("{")
    _end_leftovers(workspace)
    assert sleeper.poll() is None
    assert not _is_running(2**22 + 1, 0.0)


def test_an_address_where_nobody_listens_is_said_at_once(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"
    for address in (closed, f"ray://{closed}", "no-such-host.invalid:6379", "127.0.0.1:70000"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with (
            pytest.raises(UserError, match="no Ray cluster answers") as caught,
            ray_instance(Workspace(tmp_path / "w")),
        ):
            pass
        assert caught.value.where == f"RAY_ADDRESS={address}"


def test_a_host_that_swallows_calls_is_given_up(tmp_path, monkeypatch):
    def swallow(address, timeout):
        assert timeout == module.CONNECT_WITHIN_S
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", swallow)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with (
        pytest.raises(UserError, match="timed out"),
        ray_instance(Workspace(tmp_path / "w")),
    ):
        pass


def test_a_job_that_reached_another_ray_than_it_was_sent_to_is_refused(request, monkeypatch):
    request.getfixturevalue("ray_instance")
    left = []
    monkeypatch.setattr(ray, "shutdown", lambda: left.append("left"))
    for fine in (None, ray.get_runtime_context().get_session_name()):
        if fine:
            monkeypatch.setenv(module.SESSION_SETTING, fine)
        module._require_session()
    monkeypatch.setenv(module.SESSION_SETTING, "session_of_another")
    with pytest.raises(UserError, match="sent to the Ray of session_of_another"):
        module._require_session()
    assert left == ["left"]


def test_a_cluster_that_is_lost_does_not_hide_why_a_command_ends(monkeypatch, caplog):
    def lost():
        raise ConnectionError("GCS is gone")

    monkeypatch.setattr(module, "end_own_actors", lost)
    module._leave()
    assert "did not answer when this command left it: GCS is gone" in caplog.text
