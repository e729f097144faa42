"""Where the artifacts of runs lie, in a workspace that may have been moved or copied.

MLflow writes whole paths into its database. Of a workspace's own store they are not believed: its
artifacts lie beside the database, and what they say may be another workspace.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.entities import Run

from voxsiam.errors import UserError
from voxsiam.orchestration.sqlite_address import sqlite_file
from voxsiam.orchestration.tracking.names import EXPERIMENT
from voxsiam.regular_files import require_regular

ARTIFACTS = "artifacts"


def artifact_place(tracking_uri: str, run: Run) -> str:
    """Return the folder or address of a run's artifacts."""
    beside = _beside(tracking_uri)
    if beside is None:
        return run.info.artifact_uri or ""
    return (beside / run.info.run_id / ARTIFACTS).as_uri()


def own_folder(tracking_uri: str, run: Run) -> Path | None:
    """Return where the artifacts of a run lie; None where another machine has them."""
    place = urlsplit(artifact_place(tracking_uri, run))
    return Path(unquote(place.path)) if place.scheme in ("", "file") else None


def names_other_place(tracking_uri: str) -> bool:
    """Tell whether MLflow's database has the artifacts of a workspace where they do not lie.

    Args:
        tracking_uri: Of the store; one that is no workspace's own is right.
    """
    own = _own_database(tracking_uri)
    if own is None:
        return False
    file, beside = own
    with _opened(f"{file.as_uri()}?mode=ro", file) as database:
        named = database.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
    return named is not None and named[0] != beside.as_uri()


def claim_artifacts(tracking_uri: str) -> bool:
    """Make MLflow's database say where the artifacts of a workspace lie now.

    Else MLflow would go on to write into the place where the workspace lay, which may be another.

    Args:
        tracking_uri: Of the store; nothing is done to one that is no workspace's own.

    Returns:
        Whether it said otherwise.
    """
    own = _own_database(tracking_uri)
    if own is None or not names_other_place(tracking_uri):
        return False
    file, beside = own
    now = beside.as_uri()
    with _opened(file.as_uri(), file) as database, database:
        database.execute(
            "UPDATE runs SET artifact_uri = ? || '/' || run_uuid || ? WHERE experiment_id IN "
            "(SELECT experiment_id FROM experiments WHERE name = ?)",
            (now, f"/{ARTIFACTS}", EXPERIMENT),
        )
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE name = ?", (now, EXPERIMENT)
        )
    return True


@contextmanager
def _opened(uri: str, file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database; one that is garbled is told, with its file."""
    try:
        require_regular(file)
        with closing(sqlite3.connect(uri, uri=True)) as database:
            yield database
    except sqlite3.OperationalError:
        raise  # it is held by another command, or may only be read
    except (sqlite3.DatabaseError, OSError) as error:
        raise UserError(
            f"the tracking database cannot be read ({error!s:.120})",
            where=str(file),
            fix="restore it from a copy; runs and studies beside it are whole without it",
        ) from None


def _own_database(tracking_uri: str) -> tuple[Path, Path] | None:
    """Return the database of a workspace and its artifacts; None for other stores."""
    beside, file = _beside(tracking_uri), sqlite_file(tracking_uri)
    if beside is None or file is None or not file.is_file():
        return None
    return file.absolute(), beside


def _beside(tracking_uri: str) -> Path | None:
    """Return the artifacts folder beside a workspace's own database; None for other stores."""
    file = sqlite_file(tracking_uri)
    if file is None:
        return None
    folder = file.absolute().parent / ARTIFACTS
    return folder if folder.is_dir() else None
