import socket

import pytest
import ray

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster import ray_instance as module
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.cluster.ray_settings import SESSION_SETTING
from voxsiam.orchestration.workspace import Workspace


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
            monkeypatch.setenv(SESSION_SETTING, fine)
        module._require_session()
    monkeypatch.setenv(SESSION_SETTING, "session_of_another")
    with pytest.raises(UserError, match="sent to the Ray of session_of_another"):
        module._require_session()
    assert left == ["left"]


def test_a_cluster_that_is_lost_does_not_hide_why_a_command_ends(monkeypatch, caplog):
    def lost():
        raise ConnectionError("GCS is gone")

    monkeypatch.setattr(module, "end_own_actors", lost)
    module._leave()
    assert "did not answer when this command left it: GCS is gone" in caplog.text
