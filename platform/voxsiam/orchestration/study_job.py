"""A study as Ray Tune trials: one trial for each (row, seed), each a run of its own."""

import functools
import logging
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from ray import PlacementGroupID, tune
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.util.placement_group import PlacementGroup, remove_placement_group

from voxsiam.orchestration.cluster import Capacity
from voxsiam.orchestration.ledger import Ledger, TrialPlan, TrialState
from voxsiam.orchestration.run import CaseSource, execute_run
from voxsiam.orchestration.train_job import train_on_workers
from voxsiam.orchestration.train_worker import PLACEMENT_GROUP_KEY
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record, SingleProcess

RECORD_NAMES = ("epoch", "learning_rate")
"""Figures of an epoch whose names have no slash; the rest of a Tune result is Tune's."""


@runtime_checkable
class StudyListener(Protocol):
    """Hears of everything that happens to the trials of a study, in the driver's process."""

    def trial_started(self, trial: TrialPlan) -> None:
        """A trial has been given its place; start-up comes before its first epoch."""
        ...

    def epoch_done(self, trial: TrialPlan, record: Record) -> None:
        """A trial has finished an epoch."""
        ...

    def trial_ended(self, trial: TrialPlan, state: TrialState, error: str | None) -> None:
        """A trial is over."""
        ...


def run_study(
    ledger: Ledger,
    load: CaseSource,
    workspace: Workspace,
    capacity: Capacity,
    listeners: Sequence[StudyListener],
) -> list[TrialPlan]:
    """Run the study's unfinished trials; return those that failed.

    On an interrupt the trials in progress are marked so, and the interrupt is raised on: their
    checkpoints remain, and a resume goes on from them.
    """
    trials, plan = ledger.unfinished(), ledger.plan
    if not trials:
        return []
    in_process = plan.workers == 1 and not capacity.gpus
    slots = min(capacity.trials_at_once(plan.workers), len(trials))
    bridge = _TuneBridge(trials, [_LedgerKeeper(ledger), *listeners])
    trainable = functools.partial(
        _run_trial, trials=trials, workers=plan.workers, in_process=in_process,
        use_gpu=capacity.gpus > 0, storage=workspace.ray, threads=max(1, capacity.cpus // slots),
    )  # fmt: skip
    placed = PlacementGroupFactory([{"CPU": 1} if in_process else capacity.driver])
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, load=load), placed),
        param_space={"index": tune.grid_search(list(range(len(trials))))},
        tune_config=tune.TuneConfig(max_concurrent_trials=slots, reuse_actors=True),
        run_config=tune.RunConfig(
            name=plan.study_id, storage_path=str(workspace.ray), callbacks=[bridge], verbose=0
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        tuner.fit()
    finally:
        bridge.end_open_trials()
    return [trial for trial in trials if ledger.state(trial) != "finished"]


def _run_trial(
    config: dict[str, Any],
    *,
    load: CaseSource,
    trials: Sequence[TrialPlan],
    workers: int,
    in_process: bool,
    **job: Any,
) -> None:
    """Tune's function: the run of one trial, here or on Ray Train workers."""
    plan = trials[config["index"]].run
    plan.directory.mkdir(parents=True, exist_ok=True)
    plan.error_file.unlink(missing_ok=True)
    try:
        if in_process:
            torch.set_num_threads(job["threads"])
            execute_run(plan, load, SingleProcess(lambda record: tune.report(dict(record))))
        else:
            train_on_workers(
                plan, load, workers=workers, use_gpu=job["use_gpu"], storage=job["storage"]
            )
    except Exception as error:
        plan.error_file.write_text(_cause(error))
        raise


def _cause(error: BaseException) -> str:
    """Return what went wrong first, without the layers that Ray puts around it."""
    failures = getattr(error, "worker_failures", None)
    if failures:
        return _cause(next(iter(failures.values())))
    inner = getattr(error, "cause", None) or getattr(error, "_base_exc", None)
    if isinstance(inner, BaseException):
        return _cause(inner)
    lines = str(error).strip().splitlines() or [""]
    told = lines[-1] if "Traceback" in str(error) else lines[0]
    return f"{type(error).__name__}: {told}"


class _LedgerKeeper:
    """Writes what happens into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def trial_started(self, trial: TrialPlan) -> None:
        self._ledger.mark(trial, "running")

    def epoch_done(self, trial: TrialPlan, record: Record) -> None:
        pass

    def trial_ended(self, trial: TrialPlan, state: TrialState, error: str | None) -> None:
        self._ledger.mark(trial, state)


class _TuneBridge(tune.Callback):
    """Turns Tune's events into the study's, and frees the placement groups that Tune leaks.

    When Tune ends a trial actor, the workers' placement group belongs to the job and stays; the
    next trial then waits for ever. Ray's own cleaner needs a dashboard, so we remove it here.
    """

    def __init__(self, trials: Sequence[TrialPlan], listeners: Sequence[StudyListener]) -> None:
        self._trials, self._listeners = trials, listeners
        self._open: dict[str, TrialPlan] = {}

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks for a restore that we never ask for; ours hold live things.
        return tune.Callback, ()

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        plan = self._plan_of(trial)
        self._open[plan.run.run_id] = plan
        for listener in self._listeners:
            listener.trial_started(plan)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:  # fmt: skip
        record = {name: v for name, v in result.items() if "/" in name or name in RECORD_NAMES}
        if "epoch" not in record:
            return
        for listener in self._listeners:
            listener.epoch_done(self._plan_of(trial), record)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:  # fmt: skip
        _free_placement_group(trial)
        plan = self._plan_of(trial)
        done = plan.run.result_file.exists()
        self._end(plan, "finished" if done else "failed", None if done else "left no result")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:  # fmt: skip
        _free_placement_group(trial)
        plan = self._plan_of(trial)
        self._end(plan, "failed", plan.run.failure() or "its process died")

    def end_open_trials(self) -> None:
        """Mark what an interrupt cut off."""
        for plan in list(self._open.values()):
            self._end(plan, "interrupted", None)

    def _end(self, plan: TrialPlan, state: TrialState, error: str | None) -> None:
        if self._open.pop(plan.run.run_id, None) is None:
            return
        for listener in self._listeners:
            listener.trial_ended(plan, state, error)

    def _plan_of(self, trial: Trial) -> TrialPlan:
        return self._trials[trial.config["index"]]


def _free_placement_group(trial: Trial) -> None:
    group = (trial.last_result or {}).get(PLACEMENT_GROUP_KEY)
    if group:
        remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))
