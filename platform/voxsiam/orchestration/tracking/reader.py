"""Find studies, runs and models in MLflow; nothing that is loaded from it can execute code."""

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlparse

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.durable_files import temporary_beside
from voxsiam.errors import UserError
from voxsiam.orchestration.sqlite_address import sqlite_file
from voxsiam.orchestration.tracking.artifact_place import artifact_place, own_folder
from voxsiam.orchestration.tracking.names import EXPERIMENT, MODEL_FILES, MODEL_FOLDER
from voxsiam.orchestration.tracking.store import active_experiment, asking, open_client

T = TypeVar("T")

_MAX_LISTED = 5
_PAGE = 500
_NONE = (400, 404)
"""How MLflow says that there is no such run, or that this is no name of one."""


def find_run(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> Run | None:
    """Return the newest run that carries all of these tags."""
    return next(reversed(find_runs(client, experiment_id, tags)), None)


def find_runs(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> list[Run]:
    """Return all runs that carry all of these tags, the oldest first."""
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    return list(client.search_runs([experiment_id], condition, order_by=["start_time ASC"]))


def download_model(tracking_uri: str, run_id: str, into: Path) -> Path:
    """Copy a run's model folder, two files and no others.

    Args:
        into: Folder to write; one that is there is replaced.

    Raises:
        UserError: There is no such run, it has no model, or its files do not lie in the run.
    """
    client = open_store(tracking_uri)
    temporary = temporary_beside(into)
    temporary.mkdir(parents=True)
    try:
        run = client.get_run(run_id)
        check_source(tracking_uri, run, [f"{MODEL_FOLDER}/{name}" for name in MODEL_FILES])
        own = own_folder(tracking_uri, run)
        for name in MODEL_FILES:
            file = f"{MODEL_FOLDER}/{name}"
            if own is not None:
                shutil.copyfile(own / file, temporary / name)
            else:
                copied = client.download_artifacts(run_id, file, str(temporary))
                Path(copied).rename(temporary / name)
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


def open_store(tracking_uri: str) -> MlflowClient:
    """Open an MLflow store that is there.

    Raises:
        UserError: It is a file, and there is none.
    """
    path = sqlite_file(tracking_uri)
    if path is not None and not path.is_file():
        # MLflow would make an empty one.
        raise UserError(
            "There is no MLflow store.", where=str(path), fix="give the --workspace of the run"
        )
    return open_client(tracking_uri)


def check_source(tracking_uri: str, run: Run, names: Iterable[str]) -> None:
    """Refuse files of a run that lie elsewhere: a server could name any file of this machine.

    Raises:
        UserError: The run's artifacts, or what these names lead to, are not in its own folder.
    """
    uri = artifact_place(tracking_uri, run)
    location = urlparse(uri)
    path = unquote(location.path) if location.scheme else uri
    # Encoded twice, "../" would come out behind this check.
    inside = path.rstrip("/").endswith(f"/{run.info.run_id}/artifacts")
    inside = inside and ".." not in unquote(path)
    if location.scheme in {"", "file"}:
        folder = Path(path)
        files = [folder / name for name in names]
        inside = (
            inside
            and urlparse(tracking_uri).scheme in {"sqlite", "file", ""}
            and all(file.resolve().is_relative_to(folder.resolve()) for file in files)
        )
    if not inside:
        raise UserError(
            "The run's artifacts do not lie in the run's own folder.",
            where=uri,
            fix="copy the run's files by hand, if you trust them, and name that folder",
        )


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
    status: str


class RunStore:
    """Reads runs by MLflow's names of them; MLflow is asked for each once.

    Raises:
        UserError: It names a file that does not exist.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._uri, self._client = tracking_uri, open_store(tracking_uri)
        self._runs: dict[str, Run] = {}

    def ask_for_trials(self, parent_run_id: str) -> None:
        """Ask for all trials of a study at once: one by one they take five times as long."""
        parent = self.find(parent_run_id)
        token: str | None = None
        while parent is not None:
            condition = f"tags.`mlflow.parentRunId` = '{parent_run_id}'"
            with _uncollected():
                page = self._client.search_runs(
                    [parent.experiment_id], condition, max_results=_PAGE, page_token=token
                )
            self._runs |= {run.info.run_id: run for run in page}
            token = page.token
            if not token:
                return

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
            status=run.info.status,
        )

    def history(self, run_id: str, metric: str) -> list[Metric]:
        """Return every value of a metric that was logged."""
        return self._client.get_metric_history(run_id, metric)

    def files(self, run_id: str) -> set[str]:
        """Name all artifacts of a run, whatever their folder."""
        run = self._run(run_id)
        own = own_folder(self._uri, run)
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
                run = self._run(run_id)
                check_source(self._uri, run, [name])
                own = own_folder(self._uri, run)
                if own is None:
                    folder = held.enter_context(tempfile.TemporaryDirectory())
                    path = Path(self._client.download_artifacts(run_id, name, folder))
                else:
                    path = own / name
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


class RunReader:
    """Reads the runs of one tracking store.

    Raises:
        UserError: It is a database file that does not exist. Every method raises StoreAwayError,
            a UserError, where the store does not answer.
    """

    def __init__(self, tracking_uri: str) -> None:
        path = sqlite_file(tracking_uri)
        # MLflow would create the missing file, and an empty store looks like lost results.
        if path is not None and not path.is_file():
            raise UserError(
                "the tracking database does not exist",
                where=tracking_uri,
                fix="check --workspace, or run a study first: `voxsiam study run NAME`",
            )
        self.tracking_uri = tracking_uri
        with asking(tracking_uri):
            self._client = open_client(tracking_uri)

    def search(self, condition: str, *, in_order: bool = True) -> Iterator[Run]:
        """Walk through the matching runs of the experiment, newest first.

        Args:
            in_order: Else in any order: quicker, for who sorts them himself.
        """
        with asking(self.tracking_uri):
            experiment = active_experiment(self._client, self.tracking_uri)
        token: str | None = None
        while experiment is not None:
            with asking(self.tracking_uri), _uncollected():
                page = self._client.search_runs(
                    [experiment.experiment_id],
                    condition,
                    max_results=_PAGE,
                    order_by=["attributes.start_time DESC"] if in_order else None,
                    page_token=token,
                )
            yield from page
            token = page.token
            if not token:
                return

    def find(self, run_id: str) -> Run | None:
        """Return a run; None where there is none of this name."""
        with asking(self.tracking_uri):
            try:
                return self._client.get_run(run_id)
            except MlflowException as error:
                if error.get_http_status_code() in _NONE:
                    return None
                raise

    def history(self, run_id: str, metric: str) -> list[Metric]:
        """Return every value of a metric that was logged."""
        with asking(self.tracking_uri):
            return self._client.get_metric_history(run_id, metric)

    def files(self, run: Run, folder: str) -> set[str]:
        """Name the artifacts in a folder of a run; none where it cannot be looked into."""
        try:
            check_source(self._client.tracking_uri, run, [folder])
            own = own_folder(self.tracking_uri, run)
            if own is not None:
                return {str(path.relative_to(own)) for path in (own / folder).iterdir()}
            return {file.path for file in self._client.list_artifacts(run.info.run_id, folder)}
        except (UserError, MlflowException, OSError):
            return set()

    def read(
        self, run: Run, name: str, read: Callable[[Path], T], notes: list[str] | None = None
    ) -> T | None:
        """Read one artifact of a run; None and a note where that cannot be."""
        noted = notes if notes is not None else []
        try:
            # A server could name any file of this machine, and the report would show it.
            check_source(self._client.tracking_uri, run, [name])
            own = own_folder(self.tracking_uri, run)
            if own is not None:
                return read(own / name)
            with tempfile.TemporaryDirectory() as folder:
                return read(Path(self._client.download_artifacts(run.info.run_id, name, folder)))
        except UserError as error:
            noted.append(f"Run {run.info.run_id}: {error.what.rstrip('.')}.")
        except (MlflowException, OSError) as error:
            noted.append(f"Run {run.info.run_id}: {name} cannot be fetched ({error}).")
        return None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking through a hundred thousand new objects as they come.

    Without it a thousand runs take half the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def tags_of(run: Run, names: tuple[str, ...]) -> dict[str, str]:
    """Return our tags of a run; what it does not have is empty."""
    return {name: run.data.tags.get(f"voxsiam.{name}", "") for name in names}
