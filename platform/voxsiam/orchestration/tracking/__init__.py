"""MLflow: write runs, find runs."""

import logging
import os

# MLflow's own settings, read when it is imported: no usage reports to its makers, and no look-up of
# package versions over the network when artifacts are logged; no bar for each file that is read.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Two lines about each run that ends would stand in the middle of the study's own display.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# A server that is away is asked three times within seconds, not for minutes: what it could not be
# told is kept and written later (study_tracker.py).
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
# We say once that a server is away; its HTTP library would say so with every call.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
