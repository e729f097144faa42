"""Find studies, runs and models in MLflow; nothing that is loaded from it can execute code."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlparse

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from voxsiam.durable_files import temporary_beside
from voxsiam.errors import UserError

EXPERIMENT = "voxsiam"
MODEL_FOLDER, MODEL_FILES = "model", ("model.json", "model.safetensors")
SOURCE_TAG = "voxsiam.source_run"
"""Of a run whose training belongs to another study: MLflow's name of the run that has it."""

_MAX_LISTED = 5


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
        tracking_uri: MLflow's address.
        run_id: The run.
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
        for name in MODEL_FILES:
            copied = client.download_artifacts(run_id, f"{MODEL_FOLDER}/{name}", str(temporary))
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
    path = Path(urlparse(tracking_uri).path)
    if tracking_uri.startswith("sqlite:") and not path.is_file():
        # MLflow would make an empty one.
        raise UserError(
            "There is no MLflow store.", where=str(path), fix="give the --workspace of the run"
        )
    return MlflowClient(tracking_uri)


def check_source(tracking_uri: str, run: Run, names: Iterable[str]) -> None:
    """Refuse files of a run that lie elsewhere: a server could name any file of this machine.

    Raises:
        UserError: The run's artifacts, or what these names lead to, are not in its own folder.
    """
    uri = run.info.artifact_uri or ""
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
