"""One row trained again: what `voxsiam study rerun` does."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError, is_stop
from voxsiam.orchestration.cluster.capacity import worker_resources
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.runs.manifest import RunManifest, read_manifest
from voxsiam.orchestration.runs.repetition import Repetition, compare_runs
from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.studies.rerun import open_rerun, rerun
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam_cli.console import say
from voxsiam_cli.live_table import live_table
from voxsiam_cli.model.model_source import find_trial, is_run_id
from voxsiam_cli.study.live import LiveStudy
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.stream import open_volumes

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Rerun:
    """A row that was trained again.

    Attributes:
        folder: Where.
        failure: Why it did not end well; None where it did.
        repetition: What it says about the first training.
    """

    folder: Path
    failure: str | None
    repetition: Repetition | None


def find_manifest(text: str, workspace: Path) -> RunManifest:
    """Read the manifest that a user means.

    Args:
        text: A manifest.json, the folder of a run, an MLflow run id, or a row of a study.
        workspace: Where runs and studies are looked up.

    Raises:
        UserError: There is none, or it cannot be used.
    """
    path = Path(text)
    if path.is_dir():
        return read_manifest(path / MANIFEST)
    if path.exists():
        return read_manifest(path)
    if is_run_id(text):
        store = RunStore(Workspace(workspace, may_write=False).tracking_uri)
        return store.read(text, MANIFEST, read_manifest)
    return read_manifest(find_trial(text, workspace, "manifest", "MANIFEST").run.manifest_file)


def rerun_row(manifest: RunManifest, data: Path | None, workspace: Workspace) -> Rerun:
    """Train a row again as its manifest says; what was interrupted goes on.

    Raises:
        UserError: The method, the data or the cluster do not allow it.
    """
    _require_method(manifest)
    prepared = _require_data(manifest, data or _planned_data(manifest, workspace))
    with ExitStack() as held:
        worker = worker_resources(0.0 if manifest.environment.device == "cpu" else 1.0)
        capacity = held.enter_context(ray_instance(workspace, worker))
        capacity.trials_at_once(manifest.workers)
        home, ledger = open_rerun(manifest, prepared.root, workspace)
        held.enter_context(ledger.held())
        (planned,) = ledger.plan.trials
        say(f"training again in {planned.run.directory}")
        live = LiveStudy(ledger, 1)
        held.enter_context(live_table(live.table))
        try:
            load = open_volumes(prepared)
            done = rerun(ledger, manifest, load, home, capacity, [live])
        except BaseException as error:
            if is_stop(error):
                say("stopped; finished epochs are kept: the same command goes on.", "yellow")
            raise
    if not done:
        return Rerun(planned.run.directory, planned.run.failure() or "its process died", None)
    again = read_manifest(planned.run.manifest_file)
    return Rerun(planned.run.directory, None, compare_runs(manifest, again))


def _require_method(manifest: RunManifest) -> None:
    if manifest.method_version != METHOD_VERSION:
        raise UserError(
            f"the run was trained by version {manifest.method_version} of the method, "
            f"this program has version {METHOD_VERSION}",
            where="method_version of the manifest",
            fix="use the version of VoxSiam that trained it",
        )


def _planned_data(manifest: RunManifest, workspace: Workspace) -> Path:
    for ledger in find_ledgers(workspace):
        if any(planned.run.run_id == manifest.run_id for planned in ledger.plan.trials):
            return ledger.plan.prepared
    raise UserError(
        "no study of this workspace holds that run, so its data are not known",
        where=str(workspace.root),
        fix=f"name the prepared set of {manifest.data.name} with --data",
    )


def _require_data(manifest: RunManifest, folder: Path) -> PreparedSet:
    prepared = open_prepared(folder)
    if prepared.fingerprint != manifest.data.fingerprint:
        raise UserError(
            f"the run was trained on data {manifest.data.fingerprint} ({manifest.data.name}), "
            f"these are {prepared.fingerprint} ({prepared.name})",
            where=str(folder),
            fix="name the prepared set that it was trained on with --data, or prepare it again",
        )
    return prepared
