import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.clusters.files import CLUSTERS, ROOT, pinned, project

DOCKERFILE = CLUSTERS / "Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")


def instructions(text):
    """(instruction, rest) of each, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(re.findall(r"^(?!\s*#).*$", text, re.M)))
    return [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]


def hadolint(text):
    run = subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def test_hadolint_finds_nothing():
    assert hadolint(DOCKERFILE.read_text()) == (0, "")


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        ("-slim-bookworm@${PYTHON_DIGEST}\n", "\n", "DL3006"),
        ("WORKDIR /source", "WORKDIR source", "DL3000"),
        ("--no-install-recommends ", "", "DL3015"),
    ],
)
def test_hadolint_would_find_it(good, bad, rule):
    text = DOCKERFILE.read_text().replace("${PYTHON}", "3.11").replace(good, bad)
    code, found = hadolint(text.replace("python:3.11\n", "python\n"))
    assert code == 1
    assert rule in found


def test_it_does_not_run_as_root_and_starts_nothing_without_a_token():
    last_stage = DOCKERFILE.read_text().rpartition("FROM ")[2]
    lines = instructions(f"FROM {last_stage}")
    assert [rest for name, rest in lines if name == "USER"] == ["1000:1000"]
    assert any(name == "ENV" and "RAY_AUTH_MODE=token" in rest for name, rest in lines)


def test_versions_are_those_of_the_project():
    text = DOCKERFILE.read_text()
    (python,) = re.findall(r"^ARG PYTHON=(.+)$", text, re.M)
    assert project()["requires-python"] == f">={python}"
    assert set(re.findall(r"\btorch==(\S+)", text)) == {pinned("torch")}
    assert re.findall(r"pip install (--require-hashes --no-deps|--no-deps|)", text) == [
        "--require-hashes --no-deps",
        "--require-hashes --no-deps",
        "",  # torch
        "--no-deps",  # voxsiam
    ]


def test_what_enters_the_image_is_listed():
    """Nothing that is not named gets into a layer: no data, no history, no secrets."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        word
        for name, rest in instructions(DOCKERFILE.read_text())
        if name == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    }
    assert {Path(path).parts[0] for path in let_in} == copied
    assert all((ROOT / path).exists() for path in let_in)
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert {path for path in let_in if (ROOT / path).is_dir()} == {
        "requirements",
        *built["targets"]["wheel"]["packages"],
    }
    text = DOCKERFILE.read_text().lower()
    assert not re.search(r"(token|password|secret)\s*=\s*\S+", text.replace("auth_mode=token", ""))
