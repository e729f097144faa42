"""voxsiam doctor: what would fail here, and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import typer

from voxsiam.errors import UserError
from voxsiam_cli.console import print_json, say
from voxsiam_cli.options import DEFAULT_WORKSPACE, AsJson, Workspace

if TYPE_CHECKING:
    from voxsiam.orchestration.cluster.ray_ports import RayPort

LIBRARIES = ("ray", "mlflow", "optuna", "nibabel", "pandas", "pydantic")
MEMORY_GIB, DISK_GIB = 6.0, 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    found: str
    ok: bool = True
    fix: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def doctor(workspace: Workspace = DEFAULT_WORKSPACE, as_json: AsJson = False) -> None:
    """Look at versions, memory, disk, the workspace and open ports; exit 1 if a run would fail."""
    findings = [_python(), _torch(), _processors(), _memory(), *_place(workspace)]
    findings += [_other_ray(), _ray_token(), *_ray_ports()]
    findings += [Finding(name, importlib.metadata.version(name)) for name in LIBRARIES]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "FAIL"
            say(f"{mark} {finding.what}: {finding.found}")
            if finding.fix:
                say(f"       fix: {finding.fix}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", platform.python_version(), ok, "" if ok else "install Python 3.11")


def _torch() -> Finding:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    right = torch.__version__.startswith("2.13.0")
    fix = "" if right else "make install (torch is pinned to 2.13.0)"
    return Finding("torch", f"{torch.__version__}, GPUs: {', '.join(gpus) or 'none'}", right, fix)


def _processors() -> Finding:
    from voxsiam.orchestration.cluster.ray_instance import local_cpus

    return Finding("processors", str(local_cpus()))


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 2**30
    fix = "" if free >= MEMORY_GIB else f"free memory: make demo peaks below {MEMORY_GIB:.0f} GiB"
    return Finding("memory", f"{free:.1f} GiB available", free >= MEMORY_GIB, fix)


def _place(workspace: Workspace) -> list[Finding]:
    folder = next(p for p in [workspace.resolve(), *workspace.resolve().parents] if p.exists())
    free, ok = shutil.disk_usage(folder).free / 2**30, os.access(folder, os.W_OK)
    fix = "" if free >= DISK_GIB else "free some disk, or choose another --workspace"
    return [
        Finding("disk", f"{free:.1f} GiB free", free >= DISK_GIB, fix),
        Finding("workspace", str(workspace), ok, "" if ok else "choose another --workspace"),
    ]


def _other_ray() -> Finding:
    names = [p.info["name"] or "" for p in psutil.process_iter(["name"])]
    running = sum(name in ("raylet", "gcs_server") for name in names)
    fix = "stop it (ray stop) or join it with RAY_ADDRESS: two on one host hang" if running else ""
    return Finding("other Ray instances", "one is running" if running else "none", not running, fix)


def _ray_token() -> Finding:
    from voxsiam.orchestration.cluster.ray_access import readable_by_others, token_file

    try:
        path = token_file()
    except UserError as error:
        return Finding("Ray's token", error.what, False, error.fix)
    if readable_by_others(path):
        return Finding("Ray's token", f"others can read {path}", False, f"chmod 600 {path}")
    return Finding("Ray's token", "for its owner alone" if path.exists() else "none yet")


def _ray_ports() -> list[Finding]:
    from voxsiam.orchestration.cluster.ray_ports import find_ray_ports

    try:
        ports = find_ray_ports()
    except psutil.AccessDenied:
        return [Finding("Ray's ports", "this system shows them to its administrator alone")]
    return [_ray_port(port) for port in ports] or [Finding("Ray's ports", "no Ray is running")]


def _ray_port(port: "RayPort") -> Finding:
    reach = "other hosts reach it" if port.is_outside else "this machine alone"
    token = {"yes": "wants a token", "no": "answers without a token"}
    said = token.get(port.wants_token, port.wants_token)
    is_open = port.is_outside and port.wants_token == "no"  # noqa: S105
    fix = "close it to other hosts: docs/security.md" if port.is_outside else ""
    found = f"{port.address}:{port.port}, {reach}, {said}"
    return Finding(f"port of {port.owner}", found, not is_open, fix, asdict(port))
