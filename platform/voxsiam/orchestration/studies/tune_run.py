"""A study as Ray Tune trials: one trial for each (row, seed), each a run of its own.

And a finished run trained again from nothing, in a folder of its own, as its manifest says.
"""

from collections.abc import Sequence
from pathlib import Path

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.fair_share import FairShare
from voxsiam.orchestration.runs.execute import CaseSource
from voxsiam.orchestration.runs.manifest import RunManifest
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan
from voxsiam.orchestration.trials.cluster_metrics import cluster_listeners
from voxsiam.orchestration.trials.fair_trials import FairOrder, FairVariants, Turns
from voxsiam.orchestration.trials.trial import TrialSetup, run_trials, trial_config
from voxsiam.orchestration.trials.tune_bridge import StudyListener, TuneBridge
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record


def run_study(
    ledger: Ledger,
    load: CaseSource,
    workspace: Workspace,
    capacity: Capacity,
    listeners: Sequence[StudyListener],
    threads: int | None = None,
) -> list[PlannedRun]:
    """Run the study's unfinished trials; return those that failed.

    On an interrupt the trials in progress are marked so, and the interrupt is raised on: their
    checkpoints remain, and a resume goes on from them.
    """
    plan = ledger.plan
    # Rows that share a run are trained once; the others are linked to it.
    once = {planned.run.run_id: planned for planned in reversed(ledger.unfinished())}
    trials = list(reversed(once.values()))
    if not trials:
        return []
    room = capacity.trials_at_once(plan.workers, plan.gpu_share)
    slots = min(room, len(trials))
    # Of the whole study, not of what is left of it: the last digits follow the threads.
    threads = threads or capacity.threads(min(room, len({t.run.run_id for t in plan.trials})))
    setup = TrialSetup(
        plan.study_id, load, workspace, capacity, plan.workers, slots, plan.gpu_share, threads
    )
    heard = [LedgerKeeper(ledger), *listeners, *cluster_listeners(plan.study_id)]
    bridge = TuneBridge([[planned] for planned in trials], heard)
    configs = [trial_config(i, plan.study_id, [planned]) for i, planned in enumerate(trials)]
    turns = Turns(FairShare(setup.size))
    run_trials(setup, bridge, FairVariants(turns), FairOrder(turns), configs=configs)
    return [planned for planned in trials if ledger.state(planned) != "finished"]


def open_rerun(
    manifest: RunManifest, prepared: Path, workspace: Workspace
) -> tuple[Workspace, Ledger]:
    """Go on with the rerun that was interrupted, or start the next one.

    Returns:
        The rerun's own folder, laid out as a workspace, and its ledger of one trial.
    """
    number, data = 1, manifest.data
    while True:
        home = Workspace(workspace.root / "reruns" / f"{manifest.run_id}-{number}")
        run = manifest.plan(home.run(manifest.run_id))
        if not run.result_file.exists():
            break
        number += 1
    plan = StudyPlan(
        study="rerun",
        study_id=f"rerun-{manifest.run_id}",
        preset="",
        prepared=prepared,
        data_name=data.name,
        data_kind=data.kind,
        grid_dhw=data.preparation.grid_dhw,
        workers=manifest.workers,
        trials=(PlannedRun(row="again", run=run),),
    )
    return home, Ledger.create(home, plan)


def rerun_threads(manifest: RunManifest, capacity: Capacity) -> int | None:
    """Return with how many threads a rerun is trained; None where that is left to `run_study`.

    A trial in its own process takes as many threads as there are processors. The last digits of a
    sum depend on them, so it gets as many as the original had.
    """
    in_process = capacity.trains_in_process(manifest.workers)
    return manifest.environment.threads if in_process else None


class LedgerKeeper:
    """Writes what happens into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_started(self, planned: PlannedRun) -> None:
        """Mark it as running."""
        self._ledger.mark(planned, "running")

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Nothing changes: epochs are counted by checkpoints."""

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Mark how it ended."""
        self._ledger.mark(planned, state)
