"""Where the artifacts of runs lie, in a workspace that may have been moved or copied.

MLflow writes whole paths into its database. Of a workspace's own store they are not believed: its
artifacts lie beside the database, and what they say may be another workspace.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.entities import Run

from voxsiam.orchestration.sqlite_address import sqlite_file
from voxsiam.orchestration.tracking.names import EXPERIMENT

ARTIFACTS = "artifacts"


def artifact_place(tracking_uri: str, run: Run) -> str:
    """Return the folder or address of a run's artifacts.

    Args:
        tracking_uri: Of the store.
        run: One of its runs.
    """
    beside = _beside(tracking_uri)
    if beside is None:
        return run.info.artifact_uri or ""
    return (beside / run.info.run_id / ARTIFACTS).as_uri()


def own_folder(tracking_uri: str, run: Run) -> Path | None:
    """Return where the artifacts of a run lie; None where another machine has them."""
    place = urlsplit(artifact_place(tracking_uri, run))
    return Path(unquote(place.path)) if place.scheme in ("", "file") else None


def claim_artifacts(tracking_uri: str) -> bool:
    """Make MLflow's database say where the artifacts of a workspace lie now.

    Else MLflow would go on to write into the place where the workspace lay, which may be another.

    Args:
        tracking_uri: Of the store; nothing is done to one that is no workspace's own.

    Returns:
        Whether it said otherwise.
    """
    beside = _beside(tracking_uri)
    file = sqlite_file(tracking_uri)
    if beside is None or file is None or not file.is_file():
        return False
    now = beside.as_uri()
    with closing(sqlite3.connect(file)) as database, database:
        found = database.execute(
            "SELECT experiment_id, artifact_location FROM experiments WHERE name = ?",
            (EXPERIMENT,),
        ).fetchone()
        if found is None or found[1] == now:
            return False
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (now, found[0])
        )
        database.execute(
            "UPDATE runs SET artifact_uri = ? || '/' || run_uuid || ? WHERE experiment_id = ?",
            (now, f"/{ARTIFACTS}", found[0]),
        )
    return True


def _beside(tracking_uri: str) -> Path | None:
    """Return the artifacts folder beside a workspace's own database; None for other stores."""
    file = sqlite_file(tracking_uri)
    if file is None:
        return None
    folder = file.absolute().parent / ARTIFACTS
    return folder if folder.is_dir() else None
