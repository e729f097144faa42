"""Fixtures for every package: the one Ray instance, and the real data beside the checkout."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import torch

import voxsiam.orchestration  # noqa: F401  # Ray's settings, before any test imports Ray
from tests.small_data_sets import SMALL, write_case_folders, write_nnunet
from voxsiam.orchestration.cluster.ray_access import OUTSIDE
from voxsiam.volumes.preparation import PreparationConfig

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON_PATH = str(REPOSITORY)
"""Of the tests themselves; the packages are installed."""


MAY_SKIP = {"gpu", "shared_data", "postgres", "browser", "slurm", "root"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option of ours."""
    parser.addoption(
        "--full-counts",
        action="store_true",
        help="try each fault as often as docs/faults.md says: an hour and more",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped for any other reason than a missing GPU, data or program."""
    report = yield
    if report.skipped and not MAY_SKIP & {mark.name for mark in item.iter_markers()}:
        report.outcome = "failed"
    return report


Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
TABLES = pytest.StashKey[list[Table]]()


@pytest.fixture
def add_table(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Print a table of measured figures at the end of the test run."""

    def add(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        request.config.stash.setdefault(TABLES, []).append((title, header, rows))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests measured."""
    for title, header, rows in terminalreporter.config.stash.get(TABLES, []):
        terminalreporter.section(title)
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in (header, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            terminalreporter.line("  ".join(cells).rstrip())


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tensors are tiny here: on a busy machine waiting threads cost ten times what they save."""
    torch.set_num_threads(1)


@pytest.fixture
def cuda() -> torch.device:
    """The first GPU; tests that need one are marked gpu."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")


@pytest.fixture(scope="session")
def ray_instance() -> Iterator[None]:
    """One local Ray for the whole session: a second one on the host makes sweeps hang."""
    import ray

    from voxsiam.orchestration.cluster.ray_instance import start_ray

    with pytest.MonkeyPatch.context() as while_it_starts:
        # Submitted jobs inherit it: else they take its 127.0.0.1 for the machine's outside address.
        # Other Rays that tests start, on hosts of their own, would refuse a second node with it.
        while_it_starts.setenv(OUTSIDE, "0")
        start_ray(4, 1_000_000_000, env_vars={"PYTHONPATH": PYTHON_PATH}, dashboard=True)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def child_environment() -> dict[str, str]:
    """Environment in which a child process finds the packages of this checkout."""
    return {**os.environ, "PYTHONPATH": PYTHON_PATH}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real CTs and label maps; they are never copied into the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return folder


@pytest.fixture
def small_config() -> PreparationConfig:
    """A grid that is quick to prepare."""
    return SMALL


@pytest.fixture
def case_folders(tmp_path: Path) -> Path:
    """Three cases in plain folders."""
    return write_case_folders(tmp_path / "clinic")


@pytest.fixture
def nnunet_folder(tmp_path: Path) -> Path:
    """Two cases in nnU-Net's layout."""
    return write_nnunet(tmp_path / "Dataset001_Abdomen")
