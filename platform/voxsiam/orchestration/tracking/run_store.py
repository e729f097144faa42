"""Single runs by MLflow's names of them, and their files."""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.durable_files import sha256_of, temporary_beside
from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.artifact_place import claim_artifacts, fetched, own_folder
from voxsiam.orchestration.tracking.names import (
    EXPERIMENT,
    MODEL_FILES,
    MODEL_FOLDER,
    REPORT_FOLDER,
    REPORT_TAG,
)
from voxsiam.orchestration.tracking.reader import search_runs
from voxsiam.orchestration.tracking.store import open_client
from voxsiam.orchestration.workspace import sqlite_file

log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_LISTED = 5


def download_model(tracking_uri: str, run_id: str, into: Path) -> Path:
    """Copy a run's model folder, two files and no others, in the place of one that is there.

    Raises:
        UserError: There is no such run, it has no model, or its files do not lie in the run.
    """
    client = open_store(tracking_uri)
    temporary = temporary_beside(into)
    temporary.mkdir(parents=True)
    try:
        run = client.get_run(run_id)
        for name in MODEL_FILES:
            with fetched(client, run, f"{MODEL_FOLDER}/{name}") as file:
                shutil.copyfile(file, temporary / name)
        shutil.rmtree(into, ignore_errors=True)
        temporary.rename(into)
    except (MlflowException, OSError) as error:
        raise UserError(
            f"No model can be read from this MLflow run ({error!s:.120}).",
            where=f"run {run_id} in {tracking_uri}",
            fix=_available(client),
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return into


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


def open_store(tracking_uri: str) -> MlflowClient:
    """Open an MLflow store; a file that is not there is refused."""
    path = sqlite_file(tracking_uri)
    if path is not None and not path.is_file():
        # MLflow would make an empty one.
        raise UserError(
            "There is no MLflow store.", where=str(path), fix="give the --workspace of the run"
        )
    return open_client(tracking_uri)


def _available(client: MlflowClient) -> str:
    try:
        experiment = client.get_experiment_by_name(EXPERIMENT)
        ids = [experiment.experiment_id] if experiment else []
        condition = "tags.`voxsiam.kind` = 'trial' and attributes.status = 'FINISHED'"
        runs = client.search_runs(ids, condition, max_results=_MAX_LISTED) if ids else []
    except MlflowException:
        runs = []
    if not runs:
        return "give the id of a finished trial (voxsiam ui shows them)"
    listed = ", ".join(f"{run.info.run_id} ({run.info.run_name})" for run in runs)
    return f"the newest finished trials are {listed}"


@dataclass(frozen=True)
class StoredRun:
    """What the store itself says of a run.

    Attributes:
        data_sets: Name, fingerprint and profile of each data set that it was given.
    """

    run_id: str
    experiment_id: str
    tags: dict[str, str]
    metrics: dict[str, float]
    params: dict[str, str]
    data_sets: tuple[tuple[str, str, str], ...]


class RunStore:
    """Reads runs by MLflow's names of them; MLflow is asked for each once."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri, self._client = tracking_uri, open_store(tracking_uri)
        self._runs: dict[str, Run] = {}

    def ask_for_trials(self, parent_run_id: str) -> None:
        """Ask for all trials of a study at once: one by one they take five times as long."""
        parent = self.find(parent_run_id)
        if parent is not None:
            condition = f"tags.`mlflow.parentRunId` = '{parent_run_id}'"
            trials = search_runs(self._client, parent.experiment_id, condition)
            self._runs |= {run.info.run_id: run for run in trials}

    def find(self, run_id: str) -> StoredRun | None:
        """Return a run; None where there is none, or it was deleted."""
        try:
            run = self._run(run_id)
        except MlflowException:
            return None
        if run.info.lifecycle_stage != "active":
            return None
        inputs = run.inputs.dataset_inputs if run.inputs is not None else []
        return StoredRun(
            run_id=run_id,
            experiment_id=run.info.experiment_id,
            tags=dict(run.data.tags),
            metrics=run.data.metrics,
            params=dict(run.data.params),
            data_sets=tuple(
                (each.dataset.name, each.dataset.digest, each.dataset.profile or "")
                for each in inputs
            ),
        )

    def history(self, run_id: str, metric: str) -> list[Metric]:
        """Return every value of a metric that was logged."""
        return self._client.get_metric_history(run_id, metric)

    def files(self, run_id: str) -> set[str]:
        """Name all artifacts of a run, whatever their folder."""
        run = self._run(run_id)
        own = own_folder(self._client, run)
        if own is not None:
            return {str(path.relative_to(own)) for path in own.rglob("*") if not path.is_dir()}
        folders, found = [""], set[str]()
        while folders:
            for each in self._client.list_artifacts(run_id, folders.pop() or None):
                folders += [each.path] if each.is_dir else []
                found |= set() if each.is_dir else {each.path}
        return found

    def read(self, run_id: str, name: str, read: Callable[[Path], T]) -> T:
        """Read one file of a run.

        Raises:
            UserError: It is not there, does not lie in the run, or cannot be read.
        """
        with self.fetched(run_id, name) as path:
            try:
                return read(path)
            except OSError as error:
                raise self._unreadable(run_id, name, error) from None

    @contextmanager
    def fetched(self, run_id: str, name: str) -> Iterator[Path]:
        """Hold one file of a run on this machine, for as long as it is read.

        Raises:
            UserError: It is not there, or does not lie in the run.
        """
        with ExitStack() as held:
            try:
                path = held.enter_context(fetched(self._client, self._run(run_id), name))
            except (MlflowException, OSError) as error:
                raise self._unreadable(run_id, name, error) from None
            yield path

    def _run(self, run_id: str) -> Run:
        if run_id not in self._runs:
            self._runs[run_id] = self._client.get_run(run_id)
        return self._runs[run_id]

    def _unreadable(self, run_id: str, name: str, error: Exception) -> UserError:
        return UserError(
            f"{name} cannot be read from this MLflow run ({error!s:.120})",
            where=f"run {run_id} in {self._uri}",
            fix="name a finished run (voxsiam ui shows them)",
        )
