"""An unauthenticated request to every port that we open, and its answer.

Run: .venv/bin/python platform/benchmarks/open_ports.py    (Ray as we start it, and `voxsiam ui`)
     .venv/bin/python platform/benchmarks/open_ports.py --as-ray-does   (as it starts itself)

The result stands in docs/security.md. As root it works everywhere; else where nobody else runs Ray.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from voxsiam.orchestration.cluster.ray_access import OUTSIDE
from voxsiam.orchestration.cluster.ray_instance import ray, ray_instance
from voxsiam.orchestration.cluster.ray_ports import RayPort, find_ray_ports, is_loopback
from voxsiam.orchestration.workspace import Workspace

UI_PORT = 5000
CREATE_RUN = "/api/2.0/mlflow/runs/create"


def main() -> None:
    """Start everything, ask everything, print a table in Markdown."""
    if "--as-ray-does" in sys.argv:
        os.environ[OUTSIDE] = "1"
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "w")
        print("| whose | bound to | other hosts reach it | without a token |")
        print("|---|---|---|---|")
        for line in _ray_lines(workspace):
            print(line)
        for line in _ui_lines(workspace):
            print(line)


def _a_worker() -> int:
    return os.getpid()


def _ray_lines(workspace: Workspace) -> Iterable[str]:
    with ray_instance(workspace):
        ray.get(ray.remote(_a_worker).remote())
        ports = find_ray_ports(ask_workers=True)
    # Workers are alike.
    rows = dict.fromkeys(_row(port) for port in ports)
    return [f"| {' | '.join(row)} |" for row in sorted(rows)]


def _row(port: RayPort) -> tuple[str, str, str, str]:
    owner = "driver" if port.pid == os.getpid() else port.owner
    said = {"yes": "refused", "no": "answered"}.get(port.wants_token, port.wants_token)
    reach = "yes" if port.is_outside else "no"
    return owner, port.address.removeprefix("::ffff:"), reach, f"{said} ({port.answer})"


def _ui_lines(workspace: Workspace) -> Iterable[str]:
    command = [sys.executable, "-m", "voxsiam_cli", "ui", "--port", str(UI_PORT)]
    words = [*command, "--workspace", str(workspace.root)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101  # for the type checker
            link = next(line for line in server.stdout if "token=" in line)
            shown = {"Authorization": f"Bearer {link.rpartition('=')[2].strip()}"}
            _wait_for(UI_PORT)
            bound = {c.laddr.ip for c in _sockets() if c.laddr.port == UI_PORT}
            reach = "no" if all(map(is_loopback, bound)) else "yes"
            for what, headers in (
                ("a run created", shown),
                ("the same without the token", {}),
                ("the same for another host name", {**shown, "Host": "attacker.example"}),
                ("the same from another page", {**shown, "Origin": "https://attacker.example"}),
            ):
                answer = _create_run(headers)
                line = f"MLflow of `voxsiam ui`, {what} | {', '.join(bound)} | {reach} | {answer}"
                yield f"| {line} |"
        finally:
            for process in [*psutil.Process(server.pid).children(recursive=True), server]:
                process.terminate()


def _sockets() -> list[Any]:
    return [each for each in psutil.net_connections("tcp") if each.laddr]


def _wait_for(port: int, patience_s: float = 180) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if any(c.laddr.port == port and c.status == "LISTEN" for c in _sockets()):
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port}")


def _create_run(headers: dict[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", UI_PORT, timeout=60)
    body = json.dumps({"experiment_id": "0"})
    connection.request("POST", CREATE_RUN, body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    return f"HTTP {answer.status}"


if __name__ == "__main__":
    main()
