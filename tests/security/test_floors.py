"""S10: no version that a published advisory is about can be installed, and none is."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.requirement_files import installed_by_make

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
ADVISORY = re.compile(r"(CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3})[^:.]*: (\d+\.\d+(?:\.\d+)?)")


def requirements():
    content = tomllib.loads(PYPROJECT)
    lines = [*content["project"]["dependencies"], *content["dependency-groups"]["dev"]]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def advisories():
    """Which advisory a requirement answers, and the version that mended it."""
    found, told = {}, []
    for line in PYPROJECT.splitlines():
        text = line.strip()
        if text.startswith("#"):
            told += ADVISORY.findall(text)
        elif told:
            name = canonicalize_name(Requirement(text.strip('",')).name)
            found[name] = told
            told = []
    return found


def test_what_has_a_record_says_which_advisories_it_answers():
    record = {"ray", "torch", "mlflow", "monai", "jinja2", "pyarrow", "pydantic", "requests"}
    assert advisories().keys() == record


@pytest.mark.parametrize("name", sorted(advisories()))
def test_a_floor_keeps_out_what_an_advisory_is_about(name):
    allowed = requirements()[name].specifier
    for advisory, mended in advisories()[name]:
        floor = Version(mended)
        below = [floor.release[:2], (floor.major, max(floor.minor - 1, 0), 99)]
        older = [Version(".".join(map(str, release))) for release in below]
        reached = [v for v in older if v < floor and v in allowed]
        assert not reached, f"{advisory}: {reached[0]} may be installed"


@pytest.mark.parametrize("name", sorted(requirements()))
def test_what_is_installed_and_pinned_is_allowed(name):
    allowed = requirements()[name].specifier
    versions = {Version(version(name)), Version(installed_by_make().get(name, version(name)))}
    assert all(each in allowed for each in versions)
    for advisory, mended in advisories().get(name, ()):
        assert min(versions) >= Version(mended), advisory
