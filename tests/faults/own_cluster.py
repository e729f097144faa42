"""A cluster that is made with Ray's own commands, on a host of its own (tests/own_host.py)."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

RAY = Path(sys.executable).with_name("ray")
HOST, PORT = "127.0.0.1", 6379
MOST_BYTES = 100_000_000
TOKEN = "RAY_AUTH_TOKEN"


def make_token() -> None:
    """Give this program's clusters and commands a token of their own."""
    os.environ |= {"RAY_AUTH_MODE": "token", TOKEN: secrets.token_hex(32)}


def start_head() -> None:
    """Do what a person does on the head's machine."""
    _start("--head", f"--port={PORT}")


def join_node(**variables: str) -> None:
    """Start one more node, with these variables beside; it has joined at the return."""
    _start(f"--address={HOST}:{PORT}", **variables)


def _start(*words: str, **variables: str) -> None:
    subprocess.run(
        [
            RAY, "start", *words, f"--node-ip-address={HOST}", "--num-cpus=2",
            f"--object-store-memory={MOST_BYTES}", "--disable-usage-stats",
        ],
        env=os.environ | variables, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def begin(*words: str) -> subprocess.Popen[str]:
    """Start a command of ours that joins the cluster."""
    return subprocess.Popen(
        [sys.executable, "-m", "voxsiam_cli", *words],
        env=os.environ | {"RAY_ADDRESS": f"{HOST}:{PORT}", "PYTHONUNBUFFERED": "1"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def said_by(process: subprocess.Popen[str]) -> dict[str, object]:
    """Wait for its end; return exit code and output."""
    said, _ = process.communicate()
    return {"code": process.returncode, "said": said}
