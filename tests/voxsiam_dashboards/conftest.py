import logging

import pytest

from tests.voxsiam_dashboards.study_store import SHARES, STUDY_ID, TABLE, open_client, write_study
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One MLflow store for all tests: (client, tracking URI, folder, parent run id)."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("store")
    client, uri = open_client(folder)
    return client, uri, folder, write_study(client, folder)


@pytest.fixture(scope="session")
def shares_store(tmp_path_factory):
    """A store with Figure 7 at two shares: (tracking URI, parent run id)."""
    folder = tmp_path_factory.mktemp("shares")
    client, uri = open_client(folder)
    study_id = "fig7-mini-20260101"
    return uri, write_study(client, folder, SHARES, study="fig7", study_id=study_id)


@pytest.fixture(scope="session")
def results(store):
    return load_study(store[1], find_study(store[1], STUDY_ID))


@pytest.fixture(scope="session")
def report_table(results):
    return build_table(TABLE, results)
