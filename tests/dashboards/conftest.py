import logging

import pytest

from dashboards.results import find_study, load_study
from dashboards.tables import build_table
from tests.dashboards.study_store import STUDY_ID, TABLE, open_client, write_study


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One MLflow store for all tests: (client, tracking URI, folder, parent run id)."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("store")
    client, uri = open_client(folder)
    return client, uri, folder, write_study(client, folder)


@pytest.fixture(scope="session")
def results(store):
    return load_study(store[1], find_study(store[1], STUDY_ID))


@pytest.fixture(scope="session")
def report_table(results):
    return build_table(TABLE, results)
