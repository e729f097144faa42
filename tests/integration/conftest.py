import subprocess
import sys

import pytest
import ray

from tests.integration.programs import START
from voxsiam.orchestration.cluster.ray_access import OUTSIDE


@pytest.fixture
def program(ray_instance, child_environment, tmp_path):
    """Start the command line beside the test session's Ray instance, never a second one."""
    environment = child_environment | {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        # A local Ray asks for its token; a process that joins must say that it has one.
        "RAY_AUTH_MODE": "token",
        # Else Ray takes the 127.0.0.1 of that address for the machine's outside address.
        OUTSIDE: "0",
        "PYTHONUNBUFFERED": "1",
    }
    started = []

    def start(*arguments, workspace="w"):
        command = [sys.executable, "-c", START, *arguments]
        # Not every command writes something.
        given = ["--workspace", str(tmp_path / workspace)] if workspace else []
        process = subprocess.Popen(
            [*command, *given],
            env=environment, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
