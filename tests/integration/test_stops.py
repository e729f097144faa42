"""Ctrl-C twice, SIGTERM, a terminal that is closed: what runs is closed, nothing stays behind."""

import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from mlflow.tracking import MlflowClient

from tests.integration.programs import START, read_until
from tests.loopback_server import answering
from tests.small_data_sets import write_case_folders
from voxsiam.orchestration.cluster.ray_instance import _deaf_to_a_closed_terminal
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli import app as module

STUDY = ("study", "run", "table3", "--preset", "tiny", "--seeds", "1", "--set", "epochs=24")
TRAINS = "epoch 1/24"
CONTENT = bytes(range(256)) * 1024


class Half(BaseHTTPRequestHandler):
    """Sends half of a file and waits; once told, the rest that is asked for."""

    def do_GET(self):
        server = self.server
        assert isinstance(server, HalfServer)
        wanted = self.headers["Range"]
        server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        middle = max(start, len(CONTENT) // 2)
        self.wfile.write(CONTENT[start:middle])
        self.wfile.flush()
        server.whole.wait()
        with suppress(ConnectionError):
            self.wfile.write(CONTENT[middle:])

    def log_message(self, format, *args):  # noqa: A002
        pass


class HalfServer(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Half)
        self.whole = threading.Event()
        self.ranges: list[str | None] = []


@pytest.fixture
def half_server():
    with answering(HalfServer()) as server:
        yield server
        server.whole.set()


def states(folder):
    workspace = Workspace(folder)
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.info.status for run in runs} - {"FINISHED"}


@pytest.mark.slow
def test_the_second_ctrl_c_does_not_cut_the_first_one_short(program, tmp_path):
    process = program(*STUDY)
    read_until(process, TRAINS)
    process.send_signal(signal.SIGINT)
    said = read_until(process, "stopped; finished epochs are kept")
    process.send_signal(signal.SIGINT)
    said += process.stdout.read()
    assert process.wait() == 130, said
    assert "Traceback" not in said
    assert states(tmp_path / "w") == {"KILLED"}


@pytest.mark.slow
def test_a_terminal_that_is_closed_is_like_sigterm(program, tmp_path, monkeypatch):
    ours, theirs = pty.openpty()

    def in_terminal(words, **settings):
        # It leads a session, and its first terminal becomes the one that is closed.
        code = f"import fcntl, os, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0); {START}"
        words = [*words[:2], code, *words[3:]]
        settings |= {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        return popen(words, start_new_session=True, **settings)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", in_terminal)
    process = program(*STUDY)
    os.close(theirs)
    said = b""
    while not re.search(rb"[1-9]\d?/24", said):
        said += os.read(ours, 4096)
    os.close(ours)
    assert process.wait() == 143
    assert states(tmp_path / "w") == {"KILLED"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stopped_preparation_goes_on_to_the_same_set(program, tmp_path, number):
    source = write_case_folders(tmp_path / "clinic", tuple("abcdefghijkl"))
    words = ("data", "prepare", str(source), "--grid", "32x32x32", "-o")
    process = program(*words, "prepared")
    read_until(process, "3 of 12")
    process.send_signal(number)
    said = process.stdout.read()
    assert process.wait() in (130, 143), said
    assert "Traceback" not in said
    assert not list((tmp_path / "prepared").glob(".tmp-*"))
    for output in ("prepared", "whole"):
        again = program(*words, output, workspace=f"w-{output}")
        said = again.stdout.read()
        assert again.wait() == 0, said
    records = [(tmp_path / name / "prepared.json").read_bytes() for name in ("prepared", "whole")]
    assert records[0] == records[1]


@pytest.mark.slow
def test_a_stopped_report_leaves_the_older_one(program, tmp_path):
    train = program("study", "run", "table3", "--preset", "tiny", "--seeds", "1")
    said = train.stdout.read()
    assert train.wait() == 0, said
    reports = tmp_path / "w" / "reports"
    before = contents(reports)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process = program("study", "report", "table3")
        while process.poll() is None and not list(reports.glob(".*")):
            time.sleep(0.01)
        process.send_signal(number)
        said = process.stdout.read()
        assert process.wait() == (130 if number == signal.SIGINT else 143), said
        assert "Traceback" not in said
        assert contents(reports) == before
        assert not list(reports.glob(".*"))
    process = program("study", "report", "table3")
    said = process.stdout.read()
    assert process.wait() == 0, said
    assert contents(reports).keys() == before.keys()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FETCH = """
import dataclasses, sys
from voxsiam_data.sources.download import catalogue, fetch
one = catalogue.CATALOGUE[0]
file = catalogue.Download("scan.bin", sys.argv.pop(1), sys.argv.pop(1), unpack=False)
fetch.CATALOGUE = (dataclasses.replace(one, name="clinic", downloads=(file,)),)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stopped_download_goes_on_where_it_stopped(
    half_server, child_environment, tmp_path, number
):
    def fetch():
        digest = hashlib.sha256(CONTENT).hexdigest()
        code = FETCH + START
        url = f"http://127.0.0.1:{half_server.server_port}/scan.bin"
        words = ["data", "fetch", "clinic", "-o", str(tmp_path / "downloads")]
        return subprocess.Popen(
            [sys.executable, "-c", code, url, digest, *words],
            env=child_environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    process = fetch()
    part = tmp_path / "downloads" / "scan.bin.part"
    while process.poll() is None and not (part.is_file() and part.stat().st_size):
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate()
    assert process.returncode == (130 if number == signal.SIGINT else 143), said
    assert "Traceback" not in said
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["scan.bin.part"]
    half_server.whole.set()
    process = fetch()
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert (tmp_path / "downloads" / "scan.bin").read_bytes() == CONTENT
    assert half_server.ranges[1] not in (None, "bytes=0-")


def test_one_stop_is_enough_and_only_a_third_ctrl_c_ends_at_once(monkeypatch, capfd):
    monkeypatch.setattr(module, "_seen", [])
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with pytest.raises(KeyboardInterrupt):
        module._stop(signal.SIGINT, None)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        module._stop(number, None)
    assert ended == []
    assert capfd.readouterr().err.count("closing what runs") == 1
    module._stop(signal.SIGINT, None)
    assert ended == [130]


def test_what_a_program_is_to_be_deaf_to_it_stays_deaf_to():
    code = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "from voxsiam_cli import app; app._run = lambda **_: 0\n"
        "try: app.main()\nexcept SystemExit: pass\n"
        "print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, "
        "signal.getsignal(signal.SIGTERM) == app._stop)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "True True\n"


def test_a_closed_terminal_does_not_end_our_ray_before_its_driver(ray_instance):
    children = psutil.Process().children(recursive=True)
    (raylet,) = (each for each in children if each.name() == "raylet")
    with open(f"/proc/{raylet.pid}/status") as status:  # noqa: PTH123
        (blocked,) = (line.split()[1] for line in status if line.startswith("SigBlk:"))
    assert int(blocked, 16) & 1 << (signal.SIGHUP - 1)


def test_a_terminal_that_is_closed_while_ray_starts_is_told_to_the_driver_afterwards():
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: heard.append(number))
    try:
        with _deaf_to_a_closed_terminal():
            signal.raise_signal(signal.SIGHUP)
            assert heard == []
        assert heard == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
