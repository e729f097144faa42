"""Files of a run in MLflow: those alone that lie in the run's own folder."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlparse

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.artifact_place import artifact_place, own_folder


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


@contextmanager
def fetched(client: MlflowClient, tracking_uri: str, run: Run, name: str) -> Iterator[Path]:
    """Hold one file of a run on this machine, for as long as it is read.

    Raises:
        UserError: It does not lie in the run.
        MlflowException: The server does not give it.
        OSError: Nor does its disk, or ours.
    """
    # As the client sees it: a server could name any file of this machine.
    check_source(client.tracking_uri, run, [name])
    own = own_folder(tracking_uri, run)
    if own is not None:
        yield own / name
        return
    with TemporaryDirectory() as folder:
        yield Path(client.download_artifacts(run.info.run_id, name, folder))
