"""A study as Ray Tune trials: one trial for each (row, seed), each a run of its own."""

import logging
from collections.abc import Sequence

from ray import tune

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.fair_share import FairShare
from voxsiam.orchestration.runs.execute import CaseSource
from voxsiam.orchestration.runs.trial_plan import TrialPlan, TrialState
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.trials.cluster_metrics import cluster_listeners
from voxsiam.orchestration.trials.fair_trials import FairOrder, FairVariants, Turns
from voxsiam.orchestration.trials.trial import PROCESS_DEATHS, TrialJob, trial_config
from voxsiam.orchestration.trials.tune_bridge import StudyListener, TuneBridge
from voxsiam.orchestration.trials.worker_places import TrialPlaces
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record


def run_study(
    ledger: Ledger,
    load: CaseSource,
    workspace: Workspace,
    capacity: Capacity,
    listeners: Sequence[StudyListener],
    threads: int | None = None,
) -> list[TrialPlan]:
    """Run the study's unfinished trials; return those that failed.

    On an interrupt the trials in progress are marked so, and the interrupt is raised on: their
    checkpoints remain, and a resume goes on from them.
    """
    plan = ledger.plan
    # Rows that share a run are trained once; the others are linked to it.
    trials = list({trial.run.run_id: trial for trial in reversed(ledger.unfinished())}.values())
    trials.reverse()
    if not trials:
        return []
    room = capacity.trials_at_once(plan.workers, plan.gpu_share)
    slots = min(room, len(trials))
    # Of the whole study, not of what is left of it: the last digits follow the threads.
    threads = threads or capacity.threads(min(room, len({t.run.run_id for t in plan.trials})))
    job = TrialJob(
        plan.study_id, load, workspace, capacity, plan.workers, slots, plan.gpu_share, threads
    )
    heard = [LedgerKeeper(ledger), *listeners, *cluster_listeners(plan.study_id)]
    bridge = TuneBridge([[trial] for trial in trials], heard)
    configs = [trial_config(i, plan.study_id, [trial]) for i, trial in enumerate(trials)]
    turns = Turns(FairShare(job.size))
    tuner = tune.Tuner(
        job.trainable(),
        param_space={"trial": tune.grid_search(configs)},
        tune_config=tune.TuneConfig(
            search_alg=FairVariants(turns), scheduler=FairOrder(turns), reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name=plan.study_id,
            storage_path=str(workspace.ray),
            callbacks=[bridge, TrialPlaces()],
            failure_config=PROCESS_DEATHS,
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        tuner.fit()
    finally:
        bridge.end_open_trials()
    return [trial for trial in trials if ledger.state(trial) != "finished"]


class LedgerKeeper:
    """Writes what happens into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def trial_started(self, trial: TrialPlan) -> None:
        """Mark it as running."""
        self._ledger.mark(trial, "running")

    def epoch_done(self, trial: TrialPlan, record: Record) -> None:
        """Nothing changes: epochs are counted by checkpoints."""

    def trial_ended(self, trial: TrialPlan, state: TrialState, error: str | None) -> None:
        """Mark how it ended."""
        self._ledger.mark(trial, state)
