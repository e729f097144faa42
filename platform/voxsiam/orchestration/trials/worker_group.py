"""One run on Ray Train: N workers, DDP, gloo on CPU and nccl on GPU."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray.train import Result, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.callback import RayTrainCallback
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.tune.integration.ray_train import TuneReportCallback

from voxsiam.orchestration.cluster.capacity import worker_resources
from voxsiam.orchestration.cluster.cause import WorkersFailedError, cause_of
from voxsiam.orchestration.cluster.waiting import seconds_set
from voxsiam.orchestration.runs.execute import CaseSource, RunPlan
from voxsiam.orchestration.runs.incidents import IncidentReader
from voxsiam.orchestration.runs.label import RunLabel
from voxsiam.orchestration.trials.failure_policy import RetryWithProgress
from voxsiam.orchestration.trials.rank_faults import RankFaults
from voxsiam.orchestration.trials.worker import Stamp, run_in_worker
from voxsiam.orchestration.trials.worker_places import WorkerPlaces
from voxsiam.small_files import read_text
from voxsiam.training.context import TrainingEndedError

SILENCE_SETTING, SILENCE_S = "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S", 600.0
"""Ray Train's own setting, given here to the collectives too; and its default."""

IDLE_HELPERS = ("DatasetsCallback", "PlacementGroupCleanerCallback")
"""Parts of Ray Train that start a process each and have nothing to do here: volumes travel by
reference, and we free placement groups ourselves. They cost three of fourteen seconds."""


@dataclass(frozen=True)
class Workers:
    """On what runs are trained.

    Attributes:
        number: Ranks.
        gpu_share: Part of a GPU that each holds; 0 trains on CPUs.
        silence_s: After which a rank that does not answer is ended and replaced.
        storage: Where Ray keeps its own records.
        watched: Whether Ray's dashboard lists the runs.
    """

    number: int
    gpu_share: float
    silence_s: float
    storage: Path
    watched: bool

    @property
    def backend(self) -> TorchConfig:
        """How the ranks talk."""
        kind = "nccl" if self.gpu_share else "gloo"
        return TorchConfig(backend=kind, timeout_s=max(1, round(self.silence_s)))


class _LeanTrainer(TorchTrainer):
    """Ray Train's trainer without the idle helpers, with places that come back and our retries.

    A Ray that names the helpers otherwise keeps them.
    """

    retries: RetryWithProgress

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        needed = [each for each in callbacks if type(each).__name__ not in IDLE_HELPERS]
        return [WorkerPlaces(), *needed]

    def _initialize_and_run_controller(self, **controller_init_kwargs: Any) -> Result:  # noqa: ANN401
        retries = controller_init_kwargs | {"failure_policy": self.retries}
        return super()._initialize_and_run_controller(**retries)


def silence_s() -> float:
    """Return how long a rank may keep silent, as this process's settings have it."""
    return seconds_set(SILENCE_SETTING, "a time that workers may keep silent", SILENCE_S)


def train_on_workers(
    plan: RunPlan, load: CaseSource, stamp: Stamp, label: RunLabel, release: str, workers: Workers
) -> None:
    """Execute a run on Ray Train workers, inside a Tune trial.

    A worker that dies or freezes is replaced, and the run continues from its own newest checkpoint.

    Args:
        release: Versions of the study's driver; workers of others refuse to train.

    Raises:
        WorkersFailedError: The workers failed more often than that is worth.
        TrainingEndedError: The loss is no longer a number, or a checkpoint cannot be written.
    """
    plan.end_file.unlink(missing_ok=True)
    incidents = IncidentReader(plan.incidents_file)
    # Ray Train hands it on to its controller, which looks after the workers.
    os.environ[SILENCE_SETTING] = str(workers.silence_s)
    # Read in this process: one more actor for the whole cluster.
    os.environ["RAY_TRAIN_ENABLE_STATE_TRACKING"] = str(int(workers.watched))
    trainer = _LeanTrainer(
        run_in_worker,
        train_loop_config={
            "plan": plan.model_dump_json(),
            "load": load,
            "stamp": asdict(stamp),
            "label": str(label),
            "longest_s": workers.silence_s,
            "release": release,
        },
        scaling_config=ScalingConfig(
            num_workers=workers.number,
            use_gpu=workers.gpu_share > 0,
            resources_per_worker=worker_resources(workers.gpu_share),
        ),
        torch_config=workers.backend,
        run_config=RunConfig(
            # The name is new for each attempt: Ray would otherwise restore its own records.
            name=label.attempt_name(),
            storage_path=str(workers.storage),
            callbacks=[
                TuneReportCallback(),
                RankFaults(plan.heartbeats, plan.incidents_file, workers.silence_s),
            ],
        ),
    )
    trainer.retries = RetryWithProgress(plan.checkpoints, plan.incidents_file)
    try:
        trainer.fit()
    except TrainingFailedError as error:
        told = incidents.new()
        raise WorkersFailedError(told[-1] if told else cause_of(error)) from error
    if plan.end_file.exists():
        raise TrainingEndedError(read_text(plan.end_file))
