"""Other users of the same machine: what they can read of ours."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest
import ray

from tests.tracking_server import free_port, serving
from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from voxsiam.orchestration.cluster.local_session import ray_folder
from voxsiam.orchestration.cluster.ray_instance import Capacity
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.tracking.store import open_for_writing
from voxsiam.orchestration.workspace import Workspace
from voxsiam.page_token import PageToken

NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
SECRET = "k3y-of-the-cloud"


@pytest.fixture
def as_nobody():
    """Run a command as a user who may do nothing; return what it printed, errors included."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")

    def run(*command):
        told = subprocess.run([*NOBODY, *command], check=False, text=True, capture_output=True)
        return told.stdout + told.stderr

    assert run("id", "-un") == "nobody\n"
    return run


def session():
    return ray._private.worker._global_node.get_session_dir_path()  # pyright: ignore


@ray.remote
def environment():
    return dict(os.environ)


@pytest.mark.root
def test_nobody_reads_nothing_of_a_running_ray(ray_instance, as_nobody):
    ray.get(environment.remote())  # a worker has started, and has opened the session's folder
    assert "Permission denied" in as_nobody("ls", str(ray_folder()))
    logs = [path for path in ray_folder().rglob("*.log") if path.is_file()]
    assert logs
    for path in (*logs, f"{session()}/logs", f"{session()}/sockets/plasma_store"):
        assert "Permission denied" in as_nobody("cat", str(path))
    assert "Permission denied" in as_nobody("touch", f"{session()}/module.py")


def test_no_cloud_key_is_in_a_file_of_ray_or_its_settings(ray_instance, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, f"{SECRET}-{name}")
    workspace = Workspace(tmp_path / "w")
    plan = make_plan(workspace, rows=1)
    ledger = Ledger.create(workspace, plan)
    assert run_study(ledger, ToyCases(), workspace, Capacity.of_cluster(), []) == []
    files = [*Path(session()).rglob("*"), *workspace.root.rglob("*")]
    read = [path for path in files if path.is_file()]
    assert read
    assert not [path for path in read if SECRET.encode() in path.read_bytes()]
    assert SECRET not in str(ray.get(environment.remote()))
    commands = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if SECRET in command]


@pytest.mark.root
def test_nobody_opens_mlflows_pages_or_reads_their_token(as_nobody, tmp_path):
    workspace, port = Workspace(tmp_path / "w"), free_port()
    open_for_writing(workspace)
    settings = {"store": workspace.tracking_uri, "artifacts": str(workspace.artifacts)}
    token = PageToken.new(port)
    with serving(tmp_path, port=port, token=token, **settings) as server:
        request = r"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
        ask = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&3; cat <&3"
        assert "403 Forbidden" in as_nobody("bash", "-c", ask)
        assert server.process is not None
        first = psutil.Process(server.process.pid)
        for process in (first, *first.children(recursive=True)):
            assert "Permission denied" in as_nobody("cat", f"/proc/{process.pid}/environ")
            assert token.value not in as_nobody("cat", f"/proc/{process.pid}/cmdline")
