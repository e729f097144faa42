"""A study's report, kept beside its runs."""

import logging
import sqlite3
from pathlib import Path

from mlflow.exceptions import MlflowException

from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
from voxsiam.orchestration.tracking.names import REPORT_FOLDER
from voxsiam.orchestration.tracking.store import open_client

log = logging.getLogger(__name__)


def keep_report(tracking_uri: str, parent_run_id: str, folder: Path) -> None:
    """Copy a written report into its study's run; the report stands whether or not that works."""
    try:
        claim_artifacts(tracking_uri)
        open_client(tracking_uri).log_artifacts(parent_run_id, str(folder), REPORT_FOLDER)
    except (MlflowException, OSError, sqlite3.Error) as error:
        log.warning("the report is not kept in MLflow, writing it again will try anew: %s", error)
