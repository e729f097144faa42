"""What a Tune trial does: one run after the other.

Studies and sweeps share it; they differ in where their trials come from.
"""

import functools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.execution.placement_groups import PlacementGroupFactory

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster import Capacity
from voxsiam.orchestration.incidents import note_incident
from voxsiam.orchestration.pulse import PulseSender
from voxsiam.orchestration.run import CaseSource, RunPlan, execute_run
from voxsiam.orchestration.train_job import (
    Workers,
    WorkersFailedError,
    patience_s,
    train_on_workers,
)
from voxsiam.orchestration.train_worker import Stamp
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record, SingleProcess, TrainingEndedError


@dataclass(frozen=True)
class TrialJob:
    """How the trials of a study or sweep are run.

    Attributes:
        load: Reads the cases.
        workspace: Holds what Ray writes for itself.
        capacity: Of the cluster.
        workers: DDP workers of a trial.
        slots: Trials at a time.
    """

    load: CaseSource
    workspace: Workspace
    capacity: Capacity
    workers: int
    slots: int

    @property
    def in_process(self) -> bool:
        """Tell whether a trial trains in its own process: nothing is started for it then."""
        return self.workers == 1 and not self.capacity.gpus

    def trainable(self) -> Callable[..., Any]:
        """Return Tune's function of a trial with what it needs bound to it."""
        workers = Workers(self.workers, self.capacity.gpus > 0, patience_s())
        bound = functools.partial(
            _run_trial,
            workers=None if self.in_process else workers,
            storage=self.workspace.ray,
            threads=max(1, self.capacity.cpus // self.slots),
        )
        placed = PlacementGroupFactory([{"CPU": 1} if self.in_process else self.capacity.driver])
        return tune.with_resources(tune.with_parameters(bound, load=self.load), placed)


def trial_config(index: int, runs: Sequence[RunPlan]) -> dict[str, Any]:
    """Say what a trial runs, as Tune carries it.

    Args:
        index: Number of the trial in its study or sweep.
        runs: One after the other.
    """
    return {"index": index, "runs": [run.model_dump_json() for run in runs]}


def _run_trial(
    config: dict[str, Any],
    *,
    load: CaseSource,
    workers: Workers | None,
    storage: Path,
    threads: int,
) -> None:
    """Tune's function: the runs of one trial, here or on Ray Train workers."""
    for index, plan in enumerate(map(RunPlan.model_validate_json, config["trial"]["runs"])):
        stamp = Stamp(index=index, epochs=plan.recipe.epochs)
        plan.directory.mkdir(parents=True, exist_ok=True)
        for left in (plan.error_file, plan.stop_file):
            left.unlink(missing_ok=True)
        shutil.rmtree(plan.pulses, ignore_errors=True)
        try:
            if workers:
                train_on_workers(plan, load, stamp, workers, storage)
            else:
                torch.set_num_threads(threads)
                _train_here(plan, load, stamp)
        except Exception as error:
            _leave_cause(plan.error_file, error)
            raise
        if not plan.result_file.exists():
            # It was asked to end: further seeds of a point that fell behind are not worth it.
            return


def _train_here(plan: RunPlan, load: CaseSource, stamp: Stamp) -> None:
    pulse = PulseSender(plan.pulses, 0)
    context = SingleProcess(
        _reporter(stamp),
        on_note=functools.partial(note_incident, plan.incidents_file),
        on_step=pulse.begin_step,
    )
    with pulse.beating():
        execute_run(plan, load, context)


def _leave_cause(file: Path, error: Exception) -> None:
    try:
        file.write_text(_cause(error))
    except OSError:
        file.unlink(missing_ok=True)  # on a full disk it would be empty


def _reporter(stamp: Stamp) -> Callable[[Record], None]:
    return lambda record: tune.report(stamp.on(record))


def _cause(error: BaseException) -> str:
    """Return what went wrong first, without the layers that Ray puts around it."""
    if isinstance(error, UserError):
        return f"{error.what} ({error.where}: {error.fix})"
    if isinstance(error, TrainingEndedError | WorkersFailedError):
        return str(error)  # written to be read
    inner = getattr(error, "cause", None) or getattr(error, "_base_exc", None)
    if isinstance(inner, BaseException):
        return _cause(inner)
    lines = str(error).strip().splitlines() or [""]
    told = lines[-1] if "Traceback" in str(error) else lines[0]
    return f"{type(error).__name__}: {told}"
