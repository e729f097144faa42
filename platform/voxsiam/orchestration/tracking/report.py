"""A study's report, kept beside its runs."""

import logging
import sqlite3
from pathlib import Path

from mlflow.exceptions import MlflowException

from voxsiam.durable_files import sha256_of
from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
from voxsiam.orchestration.tracking.names import REPORT_FOLDER, REPORT_TAG
from voxsiam.orchestration.tracking.store import open_client

log = logging.getLogger(__name__)


def keep_report(
    tracking_uri: str, parent_run_id: str, folder: Path, seal: Path | None = None
) -> None:
    """Copy a written report into its study's run; the report stands whether or not that works.

    Args:
        parent_run_id: MLflow's name of the study's own run.
        seal: The file that holds the report's sums; its own is told to MLflow.
    """
    try:
        claim_artifacts(tracking_uri)
        client = open_client(tracking_uri)
        client.log_artifacts(parent_run_id, str(folder), REPORT_FOLDER)
        if seal is not None:
            client.set_tag(parent_run_id, REPORT_TAG, sha256_of(seal))
    except (MlflowException, OSError, sqlite3.Error) as error:
        log.warning("the report is not kept in MLflow, writing it again will try anew: %s", error)
