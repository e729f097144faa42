"""A finished run trained again from nothing, in a folder of its own, as its manifest says."""

from collections.abc import Sequence
from pathlib import Path

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.runs.execute import CaseSource
from voxsiam.orchestration.runs.manifest import RunManifest
from voxsiam.orchestration.runs.planned_run import PlannedRun
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.trials.tune_bridge import StudyListener
from voxsiam.orchestration.workspace import Workspace


def open_rerun(
    manifest: RunManifest, prepared: Path, workspace: Workspace
) -> tuple[Workspace, Ledger]:
    """Go on with the rerun that was interrupted, or start the next one.

    Returns:
        The rerun's own folder, laid out as a workspace, and its ledger of one trial.
    """
    number = 1
    while True:
        home = Workspace(workspace.root / "reruns" / f"{manifest.run_id}-{number}")
        run = manifest.plan(home.run(manifest.run_id))
        if not run.result_file.exists():
            return home, Ledger.create(
                home, _plan(manifest, PlannedRun(row="again", run=run), prepared)
            )
        number += 1


def rerun(
    ledger: Ledger,
    manifest: RunManifest,
    load: CaseSource,
    home: Workspace,
    capacity: Capacity,
    listeners: Sequence[StudyListener],
) -> bool:
    """Train the one trial with the original's workers and threads; tell whether it ended well.

    On an interrupt its checkpoints remain, and the next call goes on from them.
    """
    # A trial in its own process takes as many threads as there are processors. The last digits of a
    # sum depend on them, so it gets as many as the original had.
    in_process = manifest.workers == 1 and not capacity.gpus
    threads = manifest.environment.threads if in_process else None
    return not run_study(ledger, load, home, capacity, listeners, threads)


def _plan(manifest: RunManifest, planned: PlannedRun, prepared: Path) -> StudyPlan:
    data = manifest.data
    return StudyPlan(
        study="rerun",
        study_id=f"rerun-{manifest.run_id}",
        preset="",
        prepared=prepared,
        data_name=data.name,
        data_kind=data.kind,
        grid_dhw=data.preparation.grid_dhw,
        workers=manifest.workers,
        trials=(planned,),
    )
