"""Runs that say they go on while nobody trains them: their driver was killed, or its node died."""

from itertools import chain

from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from voxsiam.orchestration.lock import is_held
from voxsiam.orchestration.tracking.names import STATE_TAG, STATUS
from voxsiam.orchestration.workspace import Workspace


def end_left_runs(
    client: MlflowClient, experiment: str, workspace: Workspace, *, but: str
) -> list[str]:
    """Mark them as interrupted, with their trials; return their studies' and sweeps' ids.

    Whoever runs one holds its lock, which can be seen in this workspace alone.

    Args:
        experiment: MLflow's number of ours.
        workspace: That knows its studies and sweeps.
        but: The one that is being run now.
    """
    ended = []
    of_kind = "tags.`voxsiam.kind` = '{}'"  # MLflow knows no IN for tags
    found = [_running(client, experiment, of_kind.format(kind)) for kind in ("study", "sweep")]
    for parent in chain(*found):
        request_id = parent.data.tags.get("voxsiam.study_id", "")
        folders = [place / request_id for place in (workspace.study(""), workspace.sweep(""))]
        ours = [folder for folder in folders if request_id and folder.is_dir()]
        if request_id == but or not ours or any(is_held(folder / "lock") for folder in ours):
            continue
        condition = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
        for run in (*_running(client, experiment, condition), parent):
            client.set_tag(run.info.run_id, STATE_TAG, "interrupted")
            client.set_terminated(run.info.run_id, STATUS["interrupted"])
        ended.append(request_id)
    return ended


def _running(client: MlflowClient, experiment: str, condition: str) -> list[Run]:
    running = f"attributes.status = 'RUNNING' and {condition}"
    return list(client.search_runs([experiment], running, ViewType.ACTIVE_ONLY))
