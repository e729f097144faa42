"""Where the cluster files are, and what they must agree with."""

import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = ROOT / "platform" / "clusters"
VARIANTS = ("cpu", "gpu")


def load(name: str) -> Any:
    """Read the one YAML document of a cluster file."""
    return yaml.safe_load((CLUSTERS / name).read_text())


def pinned(package: str) -> str:
    """Return the version of a package in constraints.txt."""
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    return pins[package]


def project() -> dict[str, Any]:
    """Read the project table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
