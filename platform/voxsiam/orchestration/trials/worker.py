"""What runs inside a Ray Train worker; imported by each of them, so it stays light."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import ray.train
import ray.train.torch
import torch
from torch import nn

from voxsiam.collective import DDP_SETTINGS, gather_objects
from voxsiam.orchestration.cluster.node_checks import require_like_the_others
from voxsiam.orchestration.runs.execute import RunPlan, execute_run
from voxsiam.orchestration.runs.heartbeat import HeartbeatSender
from voxsiam.orchestration.runs.incidents import note_incident
from voxsiam.orchestration.runs.label import epoch_line, labelled_log
from voxsiam.orchestration.runs.read_watch import ReadWatch
from voxsiam.training.context import Record, TrainingEndedError

RUN_INDEX, FIDELITY = "run_index", "fidelity"
REFUSAL = "refusal"
"""Why a node is not trained on, told to the driver: the node may not see the run's folder."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stamp:
    """Tells in every record which run of its trial it is about; each has so many epochs."""

    index: int
    epochs: int

    def on(self, record: Record) -> dict[str, Any]:
        """Add the run's number, and the epochs that the trial has done over all its runs."""
        stamped = {**record, RUN_INDEX: self.index}
        if "epoch" in record:
            stamped[FIDELITY] = self.index * self.epochs + int(record["epoch"])
        return stamped


class RunStoppedError(Exception):
    """The study asked a run to end with the epoch in progress."""


class RayTrainWorker:
    """The training's surroundings inside a Ray Train worker.

    Where the plan's stop file exists, the run ends with the epoch in progress.
    """

    def __init__(self, stamp: Stamp, plan: RunPlan) -> None:
        self._stamp, self._plan = stamp, plan
        self.heartbeat = HeartbeatSender(plan.heartbeats, self.rank)

    @property
    def rank(self) -> int:
        """This worker's number."""
        return ray.train.get_context().get_world_rank()

    @property
    def world_size(self) -> int:
        """Number of workers."""
        return ray.train.get_context().get_world_size()

    @property
    def device(self) -> torch.device:
        """The GPU that Ray gave this worker, or the CPU."""
        return ray.train.torch.get_device()

    def distribute(self, module: nn.Module) -> nn.Module:
        """Wrap the module for DDP where there are several workers."""
        return ray.train.torch.prepare_model(module, parallel_strategy_kwargs=DDP_SETTINGS)

    def report(self, record: Record) -> None:
        """Send the record to the trial; Ray Train forwards the first worker's.

        Raises:
            RunStoppedError: On all ranks, where the study has asked for it.
        """
        if "epoch" in record:
            log.info(epoch_line(record))
        ray.train.report(self._stamp.on(record))
        # Whoever has done the last epoch ends by itself, and with a result.
        is_over = record.get("epoch", 0) >= self._stamp.epochs
        if not is_over and any(gather_objects(self._plan.stop_file.exists())):
            raise RunStoppedError

    def begin_step(self, epoch: int, step: int) -> None:
        """Say in the next heartbeat where this worker stands."""
        self.heartbeat.begin_step(epoch, step)

    def tell(self, text: str) -> None:
        """Add to the run's incidents what this worker alone sees."""
        note_incident(self._plan.incidents_file, f"rank {self.rank}: {text}")

    def note(self, text: str) -> None:
        """Add to the run's incidents; all workers see the same."""
        if self.rank == 0:
            note_incident(self._plan.incidents_file, text)


def run_in_worker(config: dict[str, Any]) -> None:
    """Execute the run of a train job; Ray Train calls this in each worker."""
    plan = RunPlan.model_validate_json(config["plan"])
    require_like_the_others(plan.directory, config["release"])
    worker = RayTrainWorker(Stamp(**config["stamp"]), plan)
    with labelled_log(f"{config['label']} | rank {worker.rank}"):
        try:
            log.info("rank %d of %d on %s", worker.rank, worker.world_size, worker.device)
            # Among several ranks the others' patience ends one that waits.
            longest_s = config["longest_s"] if worker.world_size == 1 else math.inf
            reads = ReadWatch(config["load"], worker.tell, longest_s)
            with worker.heartbeat.beating(), reads.watching():
                execute_run(plan, reads, worker)
        except RunStoppedError:
            log.info("asked to end")
        except TrainingEndedError as error:
            log.error("%s", error)
            # All ranks raise it in the same step. Raised further, Ray Train would try again.
            if worker.rank == 0:
                plan.end_file.write_text(str(error))
