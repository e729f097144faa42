"""A real MLflow server for tests, and a door in front of it that can lose calls."""

import http.client
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from voxsiam.orchestration.tracking.server import TrackingServer, end_group

START_WITHIN_S = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class ServerProcess:
    """A server that can be killed and started again on the same port and store."""

    server: TrackingServer
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.server.command(),
                env=self.server.environment() | self.environment,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_WITHIN_S
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)

    def answers(self, path="/health", host="localhost", method="GET", headers=None) -> int:
        """Status of an answer; 0 where there is none."""
        call = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            call.request(method, path, headers={"Host": host, **(headers or {})})
            return call.getresponse().status
        except OSError:
            return 0
        finally:
            call.close()

    def kill(self) -> None:
        """Take it away without notice: kill -9 of all its processes."""
        if self.process is not None:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            end_group(self.process)
            self.process = None


@contextmanager
def serving(folder: Path, **settings):
    """Start a server on a free port; sqlite and a folder unless told otherwise."""
    settings = {
        "store": f"sqlite:///{folder / 'served.db'}",
        "artifacts": str(folder / "served-artifacts"),
        "port": free_port(),
    } | settings
    environment = settings.pop("environment", {})
    server = ServerProcess(TrackingServer(**settings), folder / "server.log", environment)
    server.start()
    try:
        yield server
    finally:
        server.stop()


Mood = Literal["open", "shut", "every other call fails", "every other answer is lost"]


class Door(ThreadingHTTPServer):
    """Passes calls on to a server, or not."""

    daemon_threads = True

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passer)
        self.target_port, self.mood, self.calls = target_port, "open", 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self) -> int:
        with self.lock:
            self.calls += 1
            return self.calls


class _Passer(BaseHTTPRequestHandler):
    @property
    def door(self) -> Door:
        assert isinstance(self.server, Door)
        return self.server

    def _pass(self) -> None:
        mood, odd = self.door.mood, self.door.count() % 2 == 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True
        if mood == "shut":
            self.connection.close()
        elif mood == "every other call fails" and odd:
            self._answer(500, b"", {})
        else:
            status, content, headers = self._ask(body)
            lost = mood == "every other answer is lost" and odd
            self._answer(500 if lost else status, b"" if lost else content, headers)

    def _ask(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        call = http.client.HTTPConnection("127.0.0.1", self.door.target_port, timeout=60)
        call.request(self.command, self.path, body, dict(self.headers))
        answer = call.getresponse()
        content = answer.read()
        call.close()
        return answer.status, content, {"Content-Type": answer.headers.get_content_type()}

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815

    def log_message(self, format, *args):  # noqa: A002
        pass
