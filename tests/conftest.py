"""Fixtures for every package: the one Ray instance, and the real data beside the checkout."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON_PATH = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "platform")))


@pytest.fixture(scope="session")
def ray_instance() -> Iterator[None]:
    """One local Ray for the whole session: a second one on the host makes sweeps hang."""
    # Importing it puts Ray's settings into the environment; it must come before Ray itself.
    from voxsiam.orchestration.cluster import TRIAL_RESOURCE, ray

    ray.init(
        address="local",
        num_cpus=4,
        resources={TRIAL_RESOURCE: 4},
        include_dashboard=False,
        object_store_memory=1_000_000_000,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": {"PYTHONPATH": PYTHON_PATH}},
    )
    logging.getLogger("ray.data").setLevel(logging.WARNING)
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
