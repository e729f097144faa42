"""One run on Ray Train: N workers, DDP, gloo on CPU and nccl on GPU."""

import os
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback
from torch import nn

from voxsiam.orchestration.run import RunPlan, execute_run
from voxsiam.training.batch import CaseLoader
from voxsiam.training.context import Record

MAX_WORKER_FAILURES = 3
COLLECTIVE_TIMEOUT_S = 600
PLACEMENT_GROUP_KEY = "placement_group"
"""Record entry that tells the study which placement group to free when Tune stops the trial."""


class RayTrainWorker:
    """The training's surroundings inside a Ray Train worker."""

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
        return ray.train.torch.prepare_model(
            module, parallel_strategy_kwargs={"gradient_as_bucket_view": True}
        )

    def report(self, record: Record) -> None:
        """Send the record to the trial; Ray Train forwards the first worker's."""
        group = ray.util.get_current_placement_group()
        extra = {PLACEMENT_GROUP_KEY: group.id.hex()} if group is not None else {}
        ray.train.report({**record, **extra})


def train_on_workers(
    plan: RunPlan, load: CaseLoader, *, workers: int, use_gpu: bool, storage: Path
) -> None:
    """Execute a run on Ray Train workers, inside a Tune trial.

    A worker that dies is replaced, and the run continues from its own newest checkpoint.

    Raises:
        ray.train.WorkerGroupError: The workers failed more often than that is worth.
    """
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"plan": plan.model_dump_json(), "load": load},
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=use_gpu, resources_per_worker=worker_resources(use_gpu)
        ),
        torch_config=TorchConfig(
            backend="nccl" if use_gpu else "gloo", timeout_s=COLLECTIVE_TIMEOUT_S
        ),
        run_config=RunConfig(
            # The name is new for each attempt: Ray would otherwise restore its own records.
            name=f"{plan.run_id}-{os.urandom(4).hex()}",
            storage_path=str(storage),
            callbacks=[TuneReportCallback()],
            failure_config=FailureConfig(max_failures=MAX_WORKER_FAILURES),
        ),
    )
    trainer.fit()


def worker_resources(use_gpu: bool) -> dict[str, float]:
    """Return what one worker holds: a GPU or a CPU."""
    return {"GPU": 1, "CPU": 1} if use_gpu else {"CPU": 1}


def _worker(config: dict[str, Any]) -> None:
    execute_run(RunPlan.model_validate_json(config["plan"]), config["load"], RayTrainWorker())
