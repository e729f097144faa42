"""voxsiam doctor: what would fail here, and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import typer

from voxsiam_cli.console import print_json, say
from voxsiam_cli.options import DEFAULT_WORKSPACE, AsJson, Workspace

LIBRARIES = ("ray", "mlflow", "optuna", "nibabel", "pandas", "pydantic")
MEMORY_GIB, DISK_GIB = 6.0, 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    found: str
    ok: bool = True
    fix: str = ""


def doctor(workspace: Workspace = DEFAULT_WORKSPACE, as_json: AsJson = False) -> None:
    """Look at versions, processors, memory, disk and the workspace; exit 1 if a run would fail."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python, _torch, _processors, _memory, lambda: _disk(workspace),
        lambda: _workspace(workspace), _other_ray,
    )  # fmt: skip
    findings = [check() for check in checks]
    findings += [Finding(name, importlib.metadata.version(name)) for name in LIBRARIES]
    if as_json:
        print_json([finding.__dict__ for finding in findings])
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
    from voxsiam.orchestration.cluster import local_cpus

    return Finding("processors", str(local_cpus()))


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 2**30
    fix = "" if free >= MEMORY_GIB else f"free memory: make demo peaks below {MEMORY_GIB:.0f} GiB"
    return Finding("memory", f"{free:.1f} GiB available", free >= MEMORY_GIB, fix)


def _disk(workspace: Workspace) -> Finding:
    folder = next(p for p in [workspace.resolve(), *workspace.resolve().parents] if p.exists())
    free = shutil.disk_usage(folder).free / 2**30
    fix = "" if free >= DISK_GIB else "free some disk, or choose another --workspace"
    return Finding("disk", f"{free:.1f} GiB free", free >= DISK_GIB, fix)


def _workspace(workspace: Workspace) -> Finding:
    folder = next(p for p in [workspace.resolve(), *workspace.resolve().parents] if p.exists())
    ok = os.access(folder, os.W_OK)
    return Finding("workspace", str(workspace), ok, "" if ok else "choose another --workspace")


def _other_ray() -> Finding:
    names = [p.info["name"] or "" for p in psutil.process_iter(["name"])]
    running = sum(name in ("raylet", "gcs_server") for name in names)
    fix = "stop it (ray stop) or join it with RAY_ADDRESS: two on one host hang" if running else ""
    return Finding("other Ray instances", "one is running" if running else "none", not running, fix)
