"""What MLflow's server shows, and to whom: a real one, on a workspace's own store."""

import sqlite3
from urllib.parse import quote

import psutil
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.tracing.utils.artifact_utils import TRACE_DATA_FILE_NAME
from mlflow.tracking import MlflowClient

from tests.tracking_server import free_port, serving
from voxsiam.orchestration.tracking.server import ROOT_SETTING
from voxsiam.orchestration.tracking.server_app import OwnArtifacts, is_own
from voxsiam.orchestration.tracking.store import experiment_of, open_for_writing
from voxsiam.orchestration.workspace import Workspace
from voxsiam.page_token import PageToken

SECRET = "what is no artifact"
ARTIFACT = "what is one"


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A file of the same user that is nobody's business."""
    file = tmp_path_factory.mktemp("outside") / "secret.txt"
    file.write_text(SECRET)
    return file


@pytest.fixture(scope="module")
def runs(tmp_path_factory, outside):
    """Runs by what is wrong with their artifacts, and the workspace that holds them."""
    workspace = Workspace(tmp_path_factory.mktemp("w"))
    client = open_for_writing(workspace)
    ours = experiment_of(client, workspace)
    made = {}
    for name in ("plain", "file is a link", "folder is a link", "artifacts are a link"):
        run = client.create_run(ours).info.run_id
        folder = workspace.artifacts / run / "artifacts"
        if name == "artifacts are a link":
            folder.parent.mkdir(parents=True)
            folder.symlink_to(outside.parent)
        else:
            folder.mkdir(parents=True)
        (folder / "kept.txt").write_text(ARTIFACT)
        made[name] = run
    linked = workspace.artifacts / made["file is a link"] / "artifacts"
    (linked / "secret.txt").symlink_to(outside)
    (workspace.artifacts / made["folder is a link"] / "artifacts/sub").symlink_to(outside.parent)
    for name, place in {
        "an experiment elsewhere": outside.parent.as_uri(),
        "an experiment by a way out": f"{workspace.artifacts.as_uri()}/../../{outside.parent.name}",
        "an experiment as a path": str(outside.parent),
    }.items():
        other = client.create_experiment(name, place)
        made[name] = client.create_run(other).info.run_id
        with sqlite3.connect(workspace.root / "mlflow.db") as database:
            database.execute(
                "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (place, made[name])
            )
    return workspace, made


@pytest.fixture(scope="module")
def server(runs, tmp_path_factory):
    workspace, _ = runs
    settings = {"store": workspace.tracking_uri, "artifacts": str(workspace.artifacts)}
    port = free_port()
    with serving(
        tmp_path_factory.mktemp("server"), port=port, token=PageToken.new(port), **settings
    ) as running:
        yield running


@pytest.fixture(scope="module")
def reader(server):
    """A browser that was given the link."""
    browser = requests.Session()
    answer = browser.get(server.server.token.link(server.url))
    assert answer.status_code == 200
    assert "token=" not in answer.url
    return browser


CALLS = [
    "/get-artifact?run_uuid={run}&path={path}",
    "/ajax-api/2.0/mlflow/artifacts/list?run_id={run}&path={path}",
    "/api/2.0/mlflow/artifacts/list?run_id={run}",
]


def test_an_artifact_is_shown(runs, server, reader):
    _, made = runs
    call = CALLS[0].format(run=made["plain"], path="kept.txt")
    assert reader.get(server.url + call).text == ARTIFACT
    listed = reader.get(server.url + CALLS[2].format(run=made["plain"])).json()
    assert [each["path"] for each in listed["files"]] == ["kept.txt"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("file is a link", "secret.txt"),
        ("folder is a link", "sub/secret.txt"),
        ("folder is a link", "sub"),
        ("artifacts are a link", "secret.txt"),
        ("an experiment elsewhere", "secret.txt"),
        ("an experiment by a way out", "secret.txt"),
        ("an experiment as a path", "secret.txt"),
        ("plain", "../../../../outside0/secret.txt"),
        ("plain", "%2e%2e/%2e%2e/mlflow.db"),
    ],
)
def test_no_other_file_is_shown(call, name, path, runs, server, reader):
    _, made = runs
    answer = reader.get(server.url + call.format(run=made[name], path=quote(path)))
    assert SECRET not in answer.text
    told = answer.json()
    assert "error_code" in told or "files" in told, told
    listed = [each["path"] for each in told.get("files", [])]
    assert not {"secret.txt", "sub", "sub/secret.txt"} & set(listed)


@pytest.mark.parametrize(
    "call",
    [
        "/", "/index.html", "/static-files/static/js/main.js", "/version", "/graphql",
        "/api/2.0/mlflow/experiments/search", "/ajax-api/2.0/mlflow/experiments/search",
        "/get-artifact?run_uuid={run}&path=kept.txt", "/api/2.0/mlflow-artifacts/artifacts",
        "/?token=", "/?token=wrong", "//", "/health/../version", "/health%2f..%2fversion",
    ],
)  # fmt: skip
def test_without_the_token_nothing_is_told(call, runs, server):
    _, made = runs
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        answer = requests.request(
            method, server.url + call.format(run=made["plain"]), allow_redirects=False, timeout=60,
            cookies={f"voxsiam-{server.server.port}": "wrong"},
            headers={"Authorization": "Bearer wrong"},
        )  # fmt: skip
        assert answer.status_code == 403
        assert answer.text.startswith("This page belongs to one user")
        assert not answer.cookies


def test_the_health_of_the_server_is_told(server):
    assert requests.get(f"{server.url}/health", timeout=60).text == "OK"


def test_the_cookie_is_for_this_host_and_no_script(server):
    link = server.server.token.link(server.url)
    told = requests.get(link, allow_redirects=False, timeout=60)
    assert (told.status_code, told.headers["location"]) == (303, "/")
    assert "HttpOnly; SameSite=Lax" in told.headers["set-cookie"]


def test_a_program_shows_the_token_as_mlflow_does(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.server.token.value)
    assert MlflowClient(server.url).search_experiments()


def test_the_token_is_in_no_command_line_and_no_log(server):
    token = server.server.token.value
    assert server.process is not None
    first = psutil.Process(server.process.pid)
    for process in (first, *first.children(recursive=True)):
        assert token not in " ".join(process.cmdline())
    for line in server.log.read_text().splitlines():
        # The request by the link itself: our own server's log, which its user alone reads.
        assert token not in line or "GET /?token=" in line


def test_what_lies_below_a_folder_by_no_link(tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path)
    (root / "dangling").symlink_to(tmp_path / "nothing")
    own = [root, root / "a", root / "a" / "new", root / "new" / "newer"]
    others = [tmp_path, root / "link", root / "link" / "x", root / "dangling", tmp_path / "root2"]
    assert [is_own(root, path) for path in own + others] == [True] * 4 + [False] * 5


def test_a_trace_is_read_by_no_link(tmp_path, monkeypatch):
    trace = tmp_path / "root" / "trace"
    trace.mkdir(parents=True)
    secret = tmp_path / "secret.json"
    secret.write_text('{"spans": []}')
    monkeypatch.setenv(ROOT_SETTING, str(tmp_path / "root"))
    (trace / TRACE_DATA_FILE_NAME).symlink_to(secret)
    with pytest.raises(MlflowException, match="no file but its own"):
        OwnArtifacts(trace.as_uri()).download_trace_data()
    (trace / TRACE_DATA_FILE_NAME).unlink()
    (trace / TRACE_DATA_FILE_NAME).write_bytes(secret.read_bytes())
    assert OwnArtifacts(trace.as_uri()).download_trace_data() == {"spans": []}
