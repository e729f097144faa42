"""Find studies, runs and models in MLflow; nothing that is loaded from it can execute code."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.artifact_place import check_source, fetched, own_folder
from voxsiam.orchestration.tracking.store import active_experiment, asking, open_client
from voxsiam.orchestration.workspace import sqlite_file

T = TypeVar("T")

PAGE = 100
"""Runs asked for at once: of five times as many, MLflow's objects take 60 MB more."""

_NONE = (400, 404)
"""How MLflow says that there is no such run, or that this is no name of one."""


def search_runs(
    client: MlflowClient, experiment_id: str, condition: str, *, in_order: bool = False
) -> Iterator[Run]:
    """Walk through the runs that match a condition, page by page; in order: the newest first."""
    token: str | None = None
    while True:
        # The collector would walk through a hundred thousand new objects: that takes as long.
        was_on = gc.isenabled()
        gc.disable()
        try:
            page = client.search_runs(
                [experiment_id],
                condition,
                max_results=PAGE,
                order_by=["attributes.start_time DESC"] if in_order else None,
                page_token=token,
            )
        finally:
            if was_on:
                gc.enable()
        yield from page
        token = page.token
        if not token:
            return


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

    def search(self, *conditions: str, in_order: bool = True) -> Iterator[Run]:
        """Walk through the runs of the experiment that match one condition after the other.

        In order: those of a condition newest first. Else it is quicker, for who sorts them himself.
        """
        with asking(self.tracking_uri):
            experiment = active_experiment(self._client, self.tracking_uri)
            if experiment is None:
                return
            number = experiment.experiment_id
            for condition in conditions:
                yield from search_runs(self._client, number, condition, in_order=in_order)

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
            check_source(self._client, run, folder)
            own = own_folder(self._client, run)
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
            with fetched(self._client, run, name) as path:
                return read(path)
        except UserError as error:
            noted.append(f"Run {run.info.run_id}: {error.what.rstrip('.')}.")
        except (MlflowException, OSError) as error:
            noted.append(f"Run {run.info.run_id}: {name} cannot be fetched ({error}).")
        return None


def tags_of(run: Run, names: tuple[str, ...]) -> dict[str, str]:
    """Return our tags of a run; what it does not have is empty."""
    return {name: run.data.tags.get(f"voxsiam.{name}", "") for name in names}
