"""Where the artifacts of runs lie, in a workspace that may have been moved or copied.

MLflow writes whole paths into its database. Of a workspace's own store they are not believed: its
artifacts lie beside the database, and what they say may be another workspace. Of any store, those
files alone are read that lie in the run's own folder.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.names import EXPERIMENT
from voxsiam.orchestration.workspace import sqlite_file
from voxsiam.regular_files import require_regular

ARTIFACTS = "artifacts"


def own_folder(client: MlflowClient, run: Run) -> Path | None:
    """Return where the artifacts of a run lie; None where another machine has them."""
    place = urlsplit(_artifact_place(client, run))
    return Path(unquote(place.path)) if place.scheme in ("", "file") else None


def check_source(client: MlflowClient, run: Run, name: str) -> None:
    """Refuse a file of a run that lies elsewhere: a server could name any file of this machine.

    Raises:
        UserError: The run's artifacts, or what this name leads to, are not in its own folder.
    """
    uri = _artifact_place(client, run)
    location = urlsplit(uri)
    path = unquote(location.path) if location.scheme else uri
    # Encoded twice, "../" would come out behind this check.
    inside = path.rstrip("/").endswith(f"/{run.info.run_id}/{ARTIFACTS}")
    inside = inside and ".." not in unquote(path)
    if location.scheme in {"", "file"}:
        inside = (
            inside
            and urlsplit(client.tracking_uri).scheme in {"sqlite", "file", ""}
            and Path(path, name).resolve().is_relative_to(Path(path).resolve())
        )
    if not inside:
        raise UserError(
            "The run's artifacts do not lie in the run's own folder.",
            where=uri,
            fix="copy the run's files by hand, if you trust them, and name that folder",
        )


@contextmanager
def fetched(client: MlflowClient, run: Run, name: str) -> Iterator[Path]:
    """Hold one file of a run on this machine, for as long as it is read.

    Raises:
        UserError: It does not lie in the run.
        MlflowException: The server does not give it.
        OSError: Nor does its disk, or ours.
    """
    check_source(client, run, name)
    own = own_folder(client, run)
    if own is not None:
        yield own / name
        return
    with TemporaryDirectory() as folder:
        yield Path(client.download_artifacts(run.info.run_id, name, folder))


def names_other_place(tracking_uri: str) -> bool:
    """Tell whether MLflow's database has the artifacts of a workspace where they do not lie."""
    return _misled(tracking_uri) is not None


def claim_artifacts(tracking_uri: str) -> bool:
    """Make MLflow's database say where a workspace's artifacts lie; tell if it said otherwise.

    Else MLflow would go on to write into the place where the workspace lay, which may be another.
    Nothing is done to a store that is no workspace's own.
    """
    misled = _misled(tracking_uri)
    if misled is None:
        return False
    file, now = misled
    with _opened(file, "rwc") as database, database:
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
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open a database; one that is garbled is told, with its file."""
    try:
        require_regular(file)
        uri = f"{file.as_uri()}?mode={mode}"
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


def _artifact_place(client: MlflowClient, run: Run) -> str:
    """Return the folder or address of a run's artifacts."""
    beside = _beside(client.tracking_uri)
    if beside is None:
        return run.info.artifact_uri or ""
    return (beside / run.info.run_id / ARTIFACTS).as_uri()


def _misled(tracking_uri: str) -> tuple[Path, str] | None:
    """Return the database that has a workspace's artifacts elsewhere, and where they lie."""
    beside, file = _beside(tracking_uri), sqlite_file(tracking_uri)
    if beside is None or file is None or not file.is_file():
        return None
    file, now = file.absolute(), beside.as_uri()
    with _opened(file, "ro") as database:
        named = database.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
    return (file, now) if named is not None and named[0] != now else None


def _beside(tracking_uri: str) -> Path | None:
    """Return the artifacts folder beside a workspace's own database; None for other stores."""
    file = sqlite_file(tracking_uri)
    if file is None:
        return None
    folder = file.absolute().parent / ARTIFACTS
    return folder if folder.is_dir() else None
