"""Ray's own settings, put into the environment before Ray is imported: it reads them then."""

import os
import sys

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.ray_access import token_file

RAY_SETTINGS = {
    # So that a trial starts in seconds: no usage reports, no metrics exporters, no polling
    # every two seconds.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Workers report their placement group before there is a score that ASHA could look at.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

SESSION_SETTING = "VOXSIAM_RAY_SESSION"
"""Our own: the session of the Ray that a job was sent to. Ray's job supervisor looks through the
machine's processes for the cluster that it belongs to, and may find another one's."""


def apply_ray_settings() -> None:
    """Set what the user has not set, and show Ray's token to clusters where this user has one.

    Ray's clusters look for the token's file by themselves; its clients do so only when told.
    """
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    # Once Ray is imported it has made up its mind; its servers, started later, must agree.
    if "ray" not in sys.modules and _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _has_token() -> bool:
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    try:
        return token_file().exists()
    except (UserError, OSError):
        return False  # said when a Ray is to be started
