"""A study's report, kept beside its runs."""

import logging
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.orchestration.tracking.names import REPORT_FOLDER

log = logging.getLogger(__name__)


def keep_report(tracking_uri: str, parent_run_id: str, folder: Path) -> None:
    """Copy a written report into its study's run; the report stands whether or not that works."""
    try:
        MlflowClient(tracking_uri).log_artifacts(parent_run_id, str(folder), REPORT_FOLDER)
    except (MlflowException, OSError) as error:
        log.warning("the report is not kept in MLflow, writing it again will try anew: %s", error)
