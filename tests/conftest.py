"""Fixtures for every package: the one Ray instance, and the real data beside the checkout."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def ray_instance() -> Iterator[None]:
    """One local Ray for the whole session: a second one on the host makes sweeps hang."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    python_path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "platform")))
    ray.init(
        address="local",
        num_cpus=4,
        resources={"trial": 4},
        include_dashboard=False,
        object_store_memory=1_000_000_000,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": {"PYTHONPATH": python_path}},
    )
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real CTs and label maps; they are never copied into the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return folder
