"""The trials of a study or a sweep under Ray Tune, and what each does: one run after the other.

Studies and sweeps differ in where their trials come from.
"""

import functools
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import SearchAlgorithm, Searcher

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import DRIVER, Capacity
from voxsiam.orchestration.cluster.cause import cause_of
from voxsiam.orchestration.cluster.fair_share import TrialSize
from voxsiam.orchestration.cluster.node_checks import Versions, require_like_the_others
from voxsiam.orchestration.cluster.ray_instance import joins_cluster
from voxsiam.orchestration.runs.execute import CaseSource, RunPlan, execute_run
from voxsiam.orchestration.runs.heartbeat import HeartbeatSender
from voxsiam.orchestration.runs.incidents import note_incident
from voxsiam.orchestration.runs.label import RunLabel, epoch_line, labelled_log
from voxsiam.orchestration.runs.plan import PlannedRun
from voxsiam.orchestration.runs.read_watch import ReadWatch
from voxsiam.orchestration.trials.failure_policy import MOST_FAILURES
from voxsiam.orchestration.trials.tune_bridge import TuneBridge
from voxsiam.orchestration.trials.worker import REFUSAL, Stamp
from voxsiam.orchestration.trials.worker_group import Workers, silence_s, train_on_workers
from voxsiam.orchestration.trials.worker_places import TrialPlaces
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record, SingleProcess

log = logging.getLogger(__name__)

CLOUD_KEYS = {name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
"""Trials have those of their node."""

PROCESS_DEATHS = tune.FailureConfig(max_failures=MOST_FAILURES)
"""A trial whose process or node died starts again elsewhere and goes on from its checkpoint; a new
epoch gives it all attempts back (`tune_bridge.py`)."""


@dataclass(frozen=True)
class TrialSetup:
    """How the trials of a study or sweep are run.

    Attributes:
        study: Id of the study or sweep.
        workers: DDP workers of a trial.
        slots: Trials at a time, where nobody else uses the cluster.
        gpu_share: Part of a GPU that a worker holds, where there are GPUs.
        threads: Of a trial that trains in its own process; its share of the nodes where None.
    """

    study: str
    load: CaseSource
    workspace: Workspace
    capacity: Capacity
    workers: int
    slots: int
    gpu_share: float = 1.0
    threads: int | None = None

    @property
    def in_process(self) -> bool:
        """Tell whether a trial trains in its own process: nothing is started for it then."""
        return self.capacity.trains_in_process(self.workers)

    @property
    def size(self) -> TrialSize:
        """What one trial takes."""
        threads = min(self._threads, self.capacity.largest)
        return TrialSize(self.workers, self._gpus, threads if self.in_process else None)

    @property
    def _gpus(self) -> float:
        return self.gpu_share if self.capacity.gpus else 0.0

    @property
    def _threads(self) -> int:
        return self.threads or self.capacity.threads(self.slots)

    def trainable(self) -> Callable[..., Any]:
        """Return Tune's function of a trial with what it needs bound to it."""
        self.workspace.runs.mkdir(parents=True, exist_ok=True)
        # Tune would write them into the settings of each trial, which Ray logs.
        ENV_VARS_TO_PROPAGATE.difference_update(CLOUD_KEYS)
        bound = functools.partial(
            _run_trial,
            workers=None if self.in_process else self._workers(),
            threads=self._threads,
            longest_s=silence_s(),
            release=Versions.here().release,
        )
        # Ray's dashboard shows the actors of trials by this name.
        bound.__name__ = self.study  # pyright: ignore[reportAttributeAccessIssue]
        own = self.size.threads
        selector = self.capacity.where_trained()
        placed = PlacementGroupFactory(
            [{"CPU": float(own)} if own else DRIVER],
            bundle_label_selector=[selector] if selector else None,
        )
        return tune.with_resources(tune.with_parameters(bound, load=self.load), placed)

    def _workers(self) -> Workers:
        storage = self.workspace.ray
        return Workers(self.workers, self._gpus, silence_s(), storage, watched=joins_cluster())


def run_trials(
    setup: TrialSetup,
    bridge: TuneBridge,
    search: SearchAlgorithm | Searcher,
    scheduler: TrialScheduler,
    *,
    configs: list[dict[str, Any]] | None = None,
    stop: tune.Stopper | None = None,
) -> None:
    """Let Tune run trials until there are no more, or it is interrupted.

    Args:
        configs: The trials, where they are known; else the search makes them.
    """
    known = {} if configs is None else {"trial": tune.grid_search(configs)}
    tuner = tune.Tuner(
        setup.trainable(),
        param_space=known,
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=scheduler,
            num_samples=-1 if configs is None else 1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=setup.study,
            storage_path=str(setup.workspace.ray),
            callbacks=[bridge, TrialPlaces()],
            failure_config=PROCESS_DEATHS,
            stop=stop,
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        tuner.fit()
    finally:
        bridge.end_open_trials()


def trial_config(index: int, study: str, runs: Sequence[PlannedRun]) -> dict[str, Any]:
    """Say what a trial runs, as Tune carries it: the trial of this index in a study or sweep."""
    return {"index": index, "study": study, "runs": [each.model_dump_json() for each in runs]}


def _run_trial(
    config: dict[str, Any],
    *,
    load: CaseSource,
    workers: Workers | None,
    threads: int,
    longest_s: float,
    release: str,
) -> None:
    """Tune's function: the runs of one trial, here (no workers) or on Ray Train workers."""
    for index, run in enumerate(config["trial"]["runs"]):
        planned = PlannedRun.model_validate_json(run)
        plan = planned.run
        label = RunLabel(config["trial"]["study"], planned.row, plan.seed)
        stamp = Stamp(index=index, epochs=plan.recipe.epochs)
        _require_node(plan, release)
        plan.directory.mkdir(exist_ok=True)
        for left in (plan.error_file, plan.stop_file):
            left.unlink(missing_ok=True)
        shutil.rmtree(plan.heartbeats, ignore_errors=True)
        with labelled_log(str(label)):
            try:
                if workers is not None:
                    train_on_workers(plan, load, stamp, label, release, workers)
                else:
                    torch.set_num_threads(threads)
                    _train_here(plan, load, stamp, longest_s)
            except Exception as error:
                # Raised on, Tune would try again what ends alike; it does so when processes die.
                _leave_cause(plan.error_file, error)
                log.error("failed: %s", cause_of(error))
        if not plan.result_file.exists():
            # It failed, or was asked to end: further seeds of the point are not worth it.
            return


def _require_node(plan: RunPlan, release: str) -> None:
    try:
        require_like_the_others(plan.directory.parent, release)
    except UserError as error:
        tune.report({REFUSAL: cause_of(error)})
        raise  # Tune tries it again, elsewhere where there is room


def _train_here(plan: RunPlan, load: CaseSource, stamp: Stamp, longest_s: float) -> None:
    def report(record: Record) -> None:
        log.info(epoch_line(record))
        tune.report(stamp.on(record))

    note = functools.partial(note_incident, plan.incidents_file)
    heartbeat = HeartbeatSender(plan.heartbeats, 0)
    context = SingleProcess(report, on_note=note, on_step=heartbeat.begin_step)
    reads = ReadWatch(load, note, longest_s)
    with heartbeat.beating(), reads.watching():
        execute_run(plan, reads, context)


def _leave_cause(file: Path, error: Exception) -> None:
    try:
        file.write_text(cause_of(error))
    except OSError:
        file.unlink(missing_ok=True)  # on a full disk it would be empty
