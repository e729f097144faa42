"""A command whose cluster's head is gone; with a real head: tests/faults/test_bad_clusters.py."""

import socket
import subprocess
import sys

import pytest

WATCHED = """
import sys, threading
from voxsiam.orchestration.cluster.head_watch import watching_head
with watching_head(sys.argv[1]):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def command(child_environment):
    started = []

    def start(address):
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, address],
            env=child_environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_head_that_is_gone_is_said_in_three_lines_and_ends_the_command(command):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        process = command(address)
        server.accept()[0].close()  # it has looked, and found the head
    what, where, fix = process.stderr.read().splitlines()
    assert process.wait() == 1
    assert what.startswith("error: the head of the cluster is gone (Connection refused)")
    assert where == f"  where: {address}"
    assert "same command again" in fix


def test_a_head_that_lives_disturbs_nobody(command):
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = command(f"127.0.0.1:{server.getsockname()[1]}")
        for _ in range(3):
            server.accept()[0].close()
        assert process.communicate("") == ("", "")
    assert process.returncode == 0
