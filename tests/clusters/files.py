"""Where the cluster files are, and what they must agree with."""

import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from tests.requirement_files import installed_by_make

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = ROOT / "platform" / "clusters"
VARIANTS = ("cpu", "gpu")


def load(name: str) -> Any:
    """Read the one YAML document of a cluster file."""
    return yaml.safe_load((CLUSTERS / name).read_text())


def pinned(package: str) -> str:
    """Return the one version of a package that pyproject.toml or `requirements` allow."""
    exact = {
        requirement.name: str(requirement.specifier).removeprefix("==")
        for requirement in map(Requirement, project()["dependencies"])
        if str(requirement.specifier).startswith("==")
    }
    return (exact | installed_by_make())[package]


def project() -> dict[str, Any]:
    """Read the project table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
