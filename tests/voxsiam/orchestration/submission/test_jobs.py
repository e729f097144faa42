import asyncio
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aiohttp import web

from voxsiam.errors import UserError
from voxsiam.orchestration.submission import jobs
from voxsiam.orchestration.submission.jobs import JobCluster, JobRequest


@pytest.fixture
def door():
    """A server that lets nobody in, as Ray's dashboard does without its token."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.end_headers()

        def log_message(self, format, *args):  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_cluster_that_does_not_know_our_token(door):
    with pytest.raises(UserError, match="does not know our token") as caught:
        JobCluster(door)
    assert caught.value.where == door
    assert "RAY_AUTH_TOKEN_PATH" in caught.value.fix


def test_an_address_where_nothing_answers():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        closed = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(UserError, match="no Ray dashboard answers") as caught:
        JobCluster(closed)
    assert caught.value.where == closed


def test_a_tunnel_that_is_half_open_is_given_up(monkeypatch):
    """It takes the connection, and nothing ever comes back."""
    monkeypatch.setattr(jobs, "ANSWER_WITHIN_S", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match="no Ray dashboard answers"):
            JobCluster(address)


@pytest.mark.parametrize(
    "told",
    [
        "KeyError: 'Agent info not found in internal KV for node 3f.'",
        "No available agent to submit job, please try again later.",
    ],
)
def test_a_head_whose_agent_could_not_start_is_said_in_our_words(told, tmp_path):
    """Ray's dashboard answers, and the agent that runs jobs is not there."""

    class Head(BaseHTTPRequestHandler):
        def do_GET(self):
            jobs = b"[]" if "/api/jobs" in self.path else None
            version = b'{"version": "4", "ray_version": "2", "ray_commit": "", "session_name": "s"}'
            self.answer(200, jobs or version)

        def do_PUT(self):
            self.answer(200, b"")

        def do_POST(self):
            self.answer(500, told.encode())

        def answer(self, code, content):
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format, *args):  # noqa: A002
            pass

    (tmp_path / "code.py").touch()
    with HTTPServer(("127.0.0.1", 0), Head) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            cluster = JobCluster(f"http://127.0.0.1:{server.server_port}")
            request = JobRequest("name", ("doctor",), sys.executable)
            with pytest.raises(UserError, match="agent of its head could not start") as caught:
                cluster.submit(request, tmp_path)
        finally:
            server.shutdown()
            thread.join()
    assert "52365" in str(caught.value)


@pytest.fixture
def dying_head():
    """A dashboard that shows a line of a job's output and is gone."""

    async def version(_):
        return web.json_response(
            {"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": "s"}
        )

    async def tail(request):
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await answer.send_str("epoch 1\n")
        request.transport.abort()
        return answer

    async def begin():
        app = web.Application()
        app.router.add_get("/api/jobs/{job}/logs/tail", tail)
        app.router.add_get("/api/{rest:.*}", version)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_head_that_goes_while_a_job_is_followed_is_said_in_our_words(dying_head):
    lines = JobCluster(dying_head).follow("job")
    assert next(lines) == "epoch 1\n"
    with pytest.raises(UserError, match="broke off") as caught:
        next(lines)
    assert caught.value.where == dying_head


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "auto", ""])
def test_an_address_that_is_no_dashboard_is_refused(address):
    with pytest.raises(UserError, match="is not the address of a dashboard"):
        JobCluster(address)
