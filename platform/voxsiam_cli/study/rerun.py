"""One row trained again: what `voxsiam study rerun` does."""

from contextlib import ExitStack
from pathlib import Path

from voxsiam.errors import UserError, is_stop
from voxsiam.orchestration.cluster.capacity import worker_resources
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.runs.manifest import Repetition, RunManifest, compare_runs, read_manifest
from voxsiam.orchestration.runs.plan import RunPlan
from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.studies.tune_run import open_rerun, rerun_threads, run_study
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam_cli.console import live_table, say
from voxsiam_cli.data.prepared import fetch_data
from voxsiam_cli.model.model_source import find_trial, is_run_id
from voxsiam_cli.study.live import LiveStudy
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.stream import open_volumes

MANIFEST = "manifest.json"


def find_manifest(text: str, workspace: Path) -> RunManifest:
    """Read the manifest that a user means.

    Args:
        text: A manifest.json, the folder of a run, an MLflow run id, or a row of a study.
    """
    path = Path(text)
    if path.exists():
        return read_manifest(path / MANIFEST if path.is_dir() else path)
    if is_run_id(text):
        store = RunStore(Workspace(workspace, may_write=False).tracking_uri)
        return store.read(text, MANIFEST, read_manifest)
    return read_manifest(find_trial(text, workspace, "manifest", "MANIFEST").run.manifest_file)


def rerun_row(
    manifest: RunManifest, data: str | None, workspace: Workspace
) -> tuple[RunPlan, Repetition | None]:
    """Train a row again as its manifest says; what was interrupted goes on.

    Returns:
        The run, and what it says about the first training; None where it did not end well.
    """
    _require_method(manifest)
    given = fetch_data(data, workspace)
    prepared = _require_data(manifest, given or _planned_data(manifest, workspace))
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
            threads = rerun_threads(manifest, capacity)
            failed = run_study(ledger, load, home, capacity, [live], threads)
        except BaseException as error:
            if is_stop(error):
                say("stopped; finished epochs are kept: the same command goes on.", "yellow")
            raise
    if failed:
        return planned.run, None
    return planned.run, compare_runs(manifest, read_manifest(planned.run.manifest_file))


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
