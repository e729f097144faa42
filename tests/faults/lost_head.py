"""A study whose cluster's head is killed and started again; the same command after it.

Run: python -m tests.faults.lost_head FOLDER        (prints a JSON object; on a host of its own)
"""

import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.clusters.slurm_study import prepare

RAY = Path(sys.executable).with_name("ray")
ADDRESS = "127.0.0.1"
PORT = 6379
STUDY = ("study", "run", "table3", "--preset", "tiny", "--set", "epochs=6", "--data", "prepared")
MOMENT = ": epoch 2/"


def start_head() -> None:
    """Do what a person does on the head's machine."""
    subprocess.run(
        [
            RAY, "start", "--head", f"--node-ip-address={ADDRESS}", f"--port={PORT}",
            "--num-cpus=2", "--object-store-memory=100000000", "--disable-usage-stats",
        ],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def kill_head(driver: psutil.Process) -> None:
    """Kill Ray's servers: what has the token of this program, but for itself and the driver."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.environ().get("RAY_AUTH_TOKEN") == os.environ["RAY_AUTH_TOKEN"]
            if is_ours and process.pid not in (os.getpid(), driver.pid):
                process.kill()


def begin(workspace: str) -> subprocess.Popen[str]:
    """Start the study in a workspace."""
    return subprocess.Popen(
        [sys.executable, "-m", "voxsiam_cli", *STUDY, "--workspace", workspace],
        env=os.environ | {"RAY_ADDRESS": f"{ADDRESS}:{PORT}", "PYTHONUNBUFFERED": "1"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def said_by(process: subprocess.Popen[str]) -> dict[str, object]:
    """Wait for its end; return exit code and output."""
    said, _ = process.communicate()
    return {"code": process.returncode, "said": said}


def main(folder: Path) -> None:
    """Let a head die under a study, and give the same command again."""
    os.chdir(folder)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    prepare(folder)
    start_head()
    process = begin("broken")
    assert process.stdout is not None
    next(line for line in process.stdout if MOMENT in line)
    kill_head(psutil.Process(process.pid))
    at = time.monotonic()
    broken = said_by(process) | {"after_s": round(time.monotonic() - at, 1)}
    start_head()
    outcome = {"broken": broken, "again": said_by(begin("broken"))}
    outcome["unbroken"] = said_by(begin("unbroken"))
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
