"""One run on Ray Train: N workers, DDP, gloo on CPU and nccl on GPU."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.callback import RayTrainCallback
from ray.tune.integration.ray_train import TuneReportCallback

from voxsiam.orchestration.run import CaseSource, RunPlan
from voxsiam.orchestration.run_label import RunLabel
from voxsiam.orchestration.train_worker import Stamp, run_in_worker
from voxsiam.training.divergence import TrainingDivergedError

MAX_WORKER_FAILURES = 3
COLLECTIVE_TIMEOUT_S = 600


IDLE_HELPERS = ("DatasetsCallback", "PlacementGroupCleanerCallback")
"""Parts of Ray Train that start a process each and have nothing to do here: volumes travel by
reference, and the study frees placement groups itself. They cost three of fourteen seconds."""


class _LeanTrainer(TorchTrainer):
    """Ray Train's trainer without the idle helpers; a Ray that names them otherwise keeps them."""

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [each for each in callbacks if type(each).__name__ not in IDLE_HELPERS]


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run.

    Attributes:
        plan: The run.
        load: Reads its cases.
        stamp: Put on every record.
        label: How people see the run.
    """

    plan: RunPlan
    load: CaseSource
    stamp: Stamp
    label: RunLabel

    def worker_config(self) -> dict[str, Any]:
        """Return what its workers are given."""
        return {
            "plan": self.plan.model_dump_json(),
            "load": self.load,
            "stamp": asdict(self.stamp),
            "label": str(self.label),
        }


@dataclass(frozen=True)
class Workers:
    """On what runs are trained.

    Attributes:
        number: Ranks.
        gpu_share: Part of a GPU that each holds; 0 trains on CPUs.
        storage: Where Ray keeps its own records.
        watched: Whether Ray's dashboard lists the runs.
    """

    number: int
    gpu_share: float
    storage: Path
    watched: bool


def train_on_workers(attempt: Attempt, workers: Workers) -> None:
    """Execute a run on Ray Train workers, inside a Tune trial.

    A worker that dies is replaced, and the run continues from its own newest checkpoint.

    Args:
        attempt: What is run.
        workers: On these.

    Raises:
        ray.train.WorkerGroupError: The workers failed more often than that is worth.
        TrainingDivergedError: The loss is no longer a number.
    """
    plan = attempt.plan
    plan.divergence_file.unlink(missing_ok=True)
    # Ray Train's own setting, read in this process: one more actor for the whole cluster.
    os.environ["RAY_TRAIN_ENABLE_STATE_TRACKING"] = str(int(workers.watched))
    trainer = _LeanTrainer(
        run_in_worker,
        train_loop_config=attempt.worker_config(),
        scaling_config=ScalingConfig(
            num_workers=workers.number,
            use_gpu=workers.gpu_share > 0,
            resources_per_worker=worker_resources(workers.gpu_share),
        ),
        torch_config=TorchConfig(
            backend="nccl" if workers.gpu_share else "gloo", timeout_s=COLLECTIVE_TIMEOUT_S
        ),
        run_config=RunConfig(
            # The name is new for each attempt: Ray would otherwise restore its own records.
            name=attempt.label.attempt_name(),
            storage_path=str(workers.storage),
            callbacks=[TuneReportCallback()],
            failure_config=FailureConfig(max_failures=MAX_WORKER_FAILURES),
        ),
    )
    trainer.fit()
    if plan.divergence_file.exists():
        raise TrainingDivergedError(plan.divergence_file.read_text())


def worker_resources(gpu_share: float) -> dict[str, float]:
    """Return what one worker holds: a CPU, and a GPU or a part of one where it trains on it."""
    return {"GPU": gpu_share, "CPU": 1} if gpu_share else {"CPU": 1}
