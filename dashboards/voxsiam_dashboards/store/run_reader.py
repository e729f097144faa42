"""Runs of the experiment as MLflow holds them: found, and their files read. Nothing is written."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.reader import check_source
from voxsiam.orchestration.tracking.store import asking

EXPERIMENT = "voxsiam"
_PAGE = 500
_NONE = (400, 404)
"""How MLflow says that there is no such run, or that this is no name of one."""

T = TypeVar("T")


class RunReader:
    """Reads the runs of one tracking store.

    Args:
        tracking_uri: MLflow's address of it.

    Raises:
        UserError: It is a database file that does not exist. Every method raises StoreAwayError,
            a UserError, where the store does not answer.
    """

    def __init__(self, tracking_uri: str) -> None:
        scheme, _, path = tracking_uri.partition(":///")
        # MLflow would create the missing file, and an empty store looks like lost results.
        if scheme == "sqlite" and not Path(path).is_file():
            raise UserError(
                "the tracking database does not exist",
                where=tracking_uri,
                fix="check --workspace, or run a study first: `voxsiam study run NAME`",
            )
        self.tracking_uri = tracking_uri
        with asking(tracking_uri):
            self._client = MlflowClient(tracking_uri)

    def search(self, condition: str, *, in_order: bool = True) -> Iterator[Run]:
        """Walk through the matching runs of the experiment, newest first.

        Args:
            condition: MLflow's filter.
            in_order: Else in any order: quicker, for who sorts them himself.
        """
        with asking(self.tracking_uri):
            experiment = self._client.get_experiment_by_name(EXPERIMENT)
        token: str | None = None
        while experiment is not None:
            with asking(self.tracking_uri):
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
            own = _own_folder(run)
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
            own = _own_folder(run)
            if own is not None:
                return read(own / name)
            with tempfile.TemporaryDirectory() as folder:
                return read(Path(self._client.download_artifacts(run.info.run_id, name, folder)))
        except UserError as error:
            noted.append(f"Run {run.info.run_id}: {error.what.rstrip('.')}.")
        except (MlflowException, OSError) as error:
            noted.append(f"Run {run.info.run_id}: {name} cannot be fetched ({error}).")
        return None


def _own_folder(run: Run) -> Path | None:
    """Return where the artifacts of a run lie; None where another machine has them."""
    root = urlsplit(run.info.artifact_uri or "")
    return Path(unquote(root.path)) if root.scheme in ("", "file") else None


def tags_of(run: Run, names: tuple[str, ...]) -> dict[str, str]:
    """Return our tags of a run; what it does not have is empty."""
    return {name: run.data.tags.get(f"voxsiam.{name}", "") for name in names}
