"""How often a fault is tried, and the table of what was measured."""

import subprocess
import sys

import pytest

from tests.integration.conftest import program  # noqa: F401


def pytest_generate_tests(metafunc):
    """Repeat a test that asks for `attempt`: a few times, or as often as docs/faults.md says."""
    mark = metafunc.definition.get_closest_marker("attempts")
    if mark is not None:
        full = metafunc.config.getoption("--full-counts")
        metafunc.parametrize("attempt", range(mark.kwargs["full" if full else "short"]))


@pytest.fixture
def full_counts(request):
    """Whether to try as often as docs/faults.md says."""
    return request.config.getoption("--full-counts")


@pytest.fixture(scope="session")
def all_measured():
    return []


@pytest.fixture
def measured(all_measured, add_table, request):
    """Write down what a try came to; all of it is printed at the end."""

    def add(**figures):
        if not all_measured:
            add_table("faults", ("test", "measured"), all_measured)
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        all_measured.append((request.node.name, text.replace("_", " ")))

    return add


@pytest.fixture
def child(child_environment, tmp_path):
    """Run a module of this package in a process of its own and return what it printed."""

    def run(module, *arguments, before=()):
        command = [*before, sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)]
        done = subprocess.run(
            command, env=child_environment, cwd=tmp_path,
            capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
