"""Single runs of an MLflow store, for whoever checks or repeats them."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlflow.exceptions import MlflowException

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.reader import check_source, open_store

T = TypeVar("T")


@dataclass(frozen=True)
class StoredRun:
    """What the store itself says of a run."""

    run_id: str
    experiment_id: str
    tags: dict[str, str]
    metrics: dict[str, float]


class RunStore:
    """Reads runs by MLflow's names of them.

    Args:
        tracking_uri: MLflow's address.

    Raises:
        UserError: It names a file that does not exist.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._uri, self._client = tracking_uri, open_store(tracking_uri)

    def find(self, run_id: str) -> StoredRun | None:
        """Return a run; None where there is none, or it was deleted."""
        try:
            run = self._client.get_run(run_id)
        except MlflowException:
            return None
        if run.info.lifecycle_stage != "active":
            return None
        return StoredRun(run_id, run.info.experiment_id, dict(run.data.tags), run.data.metrics)

    def read(self, run_id: str, name: str, read: Callable[[Path], T]) -> T:
        """Read one file of a run.

        Raises:
            UserError: It is not there, does not lie in the run, or cannot be read.
        """
        try:
            check_source(self._uri, self._client.get_run(run_id), [name])
            with tempfile.TemporaryDirectory() as folder:
                return read(Path(self._client.download_artifacts(run_id, name, folder)))
        except (MlflowException, OSError) as error:
            raise UserError(
                f"{name} cannot be read from this MLflow run ({error!s:.120})",
                where=f"run {run_id} in {self._uri}",
                fix="name a finished run (voxsiam ui shows them)",
            ) from None
