"""Where runs are kept: which store may be used from where, and how it is opened."""

import fcntl
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.waiting import waited_for
from voxsiam.orchestration.tracking.artifact_place import claim_artifacts
from voxsiam.orchestration.tracking.names import EXPERIMENT
from voxsiam.orchestration.workspace import Workspace, sqlite_file
from voxsiam.regular_files import open_lock

logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)

_KINDS = ("http", "https", "postgresql", "postgresql+psycopg")
_MEND = (
    "unset it (a workspace has a store of its own), or name http://HOST:5000, "
    "postgresql://USER@HOST/DATABASE or sqlite:////FOLDER/mlflow.db"
)


class StoreAwayError(UserError):
    """The tracking server cannot be asked now."""

    def __init__(self, tracking_uri: str, why: str) -> None:
        super().__init__(
            f"MLflow cannot be asked: {why:.160}",
            where=tracking_uri,
            fix="is the server running, and the login right (MLFLOW_TRACKING_USERNAME, "
            "MLFLOW_TRACKING_PASSWORD)?",
        )


@contextmanager
def asking(tracking_uri: str) -> Iterator[None]:
    """Raise a StoreAwayError where the store does not answer, to tell it from all else."""
    try:
        yield
    except MlflowException as error:
        raise StoreAwayError(tracking_uri, str(error)) from error


def check_address(tracking_uri: str) -> None:
    """Refuse an address that can lead to no store: later it would look like a server that is away.

    A server that does not answer is no reason: trainings wait for none.

    Raises:
        UserError: It is a folder, or of no kind that is known, or its host has no address.
    """
    parts = urlsplit(tracking_uri)
    if parts.scheme == "sqlite":
        return
    scheme, found, rest = tracking_uri.partition("://")
    shown = f"{scheme}://{rest.rpartition('@')[2]}" if found else tracking_uri
    where = f"MLFLOW_TRACKING_URI={shown}"
    if parts.scheme in ("", "file"):
        what = "the tracking address is a folder, which MLflow no longer takes for a store"
        raise UserError(what, where=where, fix=_MEND)
    if parts.scheme not in _KINDS or not parts.hostname:
        what = "the tracking address is none of a store that is known"
        raise UserError(what, where=where, fix=_MEND)
    try:
        socket.getaddrinfo(parts.hostname, None)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name"
        raise UserError(
            f"the host '{parts.hostname}' of the tracking address is not known ({why})",
            where=where,
            fix="look for a typing error, or at this machine's network; unset it to use the "
            "workspace's own store",
        ) from None


def check_store(tracking_uri: str, nodes: int) -> None:
    """Refuse a store that a study on so many living nodes cannot rely on.

    Raises:
        UserError: It is an sqlite file and there are several nodes: a driver may start on any of
            them, and sqlite's locks do not hold across a network's file systems.
    """
    if nodes > 1 and tracking_uri.startswith("sqlite:"):
        raise UserError(
            f"an sqlite file cannot track a study on {nodes} nodes",
            where=tracking_uri,
            fix="start a server (voxsiam tracking serve) and set MLFLOW_TRACKING_URI to it",
        )


def open_client(tracking_uri: str) -> MlflowClient:
    """Open a store, and leave nothing beside it.

    Raises:
        UserError: The address leads nowhere, or to a database that cannot be opened.
    """
    check_address(tracking_uri)
    try:
        with without_stray_folder(tracking_uri):
            return MlflowClient(tracking_uri)
    except SQLAlchemyError as error:
        raise UserError(
            f"the tracking database cannot be opened: {str(error).splitlines()[0]:.160}",
            where=without_password(tracking_uri),
            fix="is it running, does it know this user, and is it MLflow's? Else name another",
        ) from None


@contextmanager
def without_stray_folder(address: str) -> Iterator[None]:
    """Remove the folder that MLflow makes of an address with encoded characters, as it is spelt.

    Nothing is done where the store is no such file, or the folder was there before.
    """
    file, spelt = sqlite_file(address), Path(address.partition(":///")[2]).parent
    is_stray = file is not None and spelt != file.parent and not spelt.exists()
    try:
        yield
    finally:
        if is_stray:
            with suppress(OSError):  # there is none, or somebody has put something into it
                spelt.rmdir()


def open_for_writing(workspace: Workspace) -> MlflowClient:
    """Open the workspace's store; our own sqlite file is made by one process at a time.

    MLflow makes its tables when it first opens a file. Two processes that do so at once fail.
    """
    uri = workspace.tracking_uri
    if not uri.startswith("sqlite:"):
        return open_client(uri)
    file = workspace.root / ".mlflow-opening"
    with open_lock(file) as lock:
        waited_for(
            lambda: fcntl.flock(lock, fcntl.LOCK_EX),
            f"another command that opens the tracking database (it holds {file})",
        )
        client = open_client(uri)
        claim_artifacts(uri)
        return client


def experiment_of(client: MlflowClient, workspace: Workspace) -> str:
    """Return our experiment, made where it is missing.

    Raises:
        UserError: It was deleted in MLflow's pages. Or a server's store was used without the
            server before: MLflow would have us write artifacts into a folder of that machine, as
            if it were one of ours.
    """
    found = active_experiment(client, workspace.tracking_uri)
    if found is not None:
        place = urlsplit(found.artifact_location or "").scheme
        if workspace.tracking_uri.startswith("http") and place in {"", "file"}:
            raise UserError(
                "this server's store was begun without a server and keeps artifacts in a folder",
                where=f"{workspace.tracking_uri}: {found.artifact_location}",
                fix="serve a store of its own: voxsiam tracking serve without --store makes one",
            )
        return found.experiment_id
    local = workspace.tracking_uri.startswith("sqlite:")
    location = workspace.artifacts.as_uri() if local else None
    try:
        return client.create_experiment(EXPERIMENT, artifact_location=location)
    except MlflowException:
        # Another process was faster, or the answer was lost: then it is there now.
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return found.experiment_id


def active_experiment(client: MlflowClient, tracking_uri: str) -> Experiment | None:
    """Return our experiment of a store; None where none was made yet.

    Raises:
        UserError: It was deleted: its runs are hidden, and MLflow takes no others under its name.
    """
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None or found.lifecycle_stage == LifecycleStage.ACTIVE:
        return found
    shown = without_password(tracking_uri)
    raise UserError(
        f"the experiment '{EXPERIMENT}' was deleted in MLflow",
        where=shown,
        fix=f"restore it: MLFLOW_TRACKING_URI='{shown}' "
        f"mlflow experiments restore --experiment-id {found.experiment_id}",
    )


def has_password(uri: str) -> bool:
    """Tell whether an address holds a password."""
    parts = urlsplit(uri)
    return bool(parts.password) or "password=" in parts.query.lower()


def without_password(uri: str) -> str:
    """Write an address so that people and logs may see it."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite" or not parts.netloc:
        return uri
    user = f"{parts.username}@" if parts.username else ""
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user}{place}{parts.path}"
