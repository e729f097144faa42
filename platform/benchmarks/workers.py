"""Two DDP workers against one, and what Ray Train, Ray Data and MLflow cost over a bare loop.

Run: .venv/bin/python platform/benchmarks/workers.py            # the demo's size: scaling
     .venv/bin/python platform/benchmarks/workers.py --grid 64x64x32 --width 16    # overhead

Four ways of training the same recipe on the same volumes, in turn: bare loops of one process of one
thread; two such loops beside each other, which share nothing but the machine; a bare DDP of two;
ours, by Ray Train, with MLflow. A steady epoch is the mean time from one epoch's report to the
next, after the first; checkpoints are in it. The driver hears of epochs on a grid of 0.2 s.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from mlflow.tracking import MlflowClient
from pairs import show
from torch import nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from voxsiam.collective import DDP_SETTINGS
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.runs.plan import RunPlan
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import Training, fit
from voxsiam_cli.data.prepared import require_prepared
from voxsiam_cli.options import parse_grid
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.stream import SharedVolumes, share_volumes
from voxsiam_experiments.plan import plan_study
from voxsiam_experiments.presets import PRESETS, Choices
from voxsiam_experiments.studies import TRAININGS

TABLE = TRAININGS["voxel_simsiam"]


class BareRank(SingleProcess):
    """A rank without Ray, which notes when epochs end."""

    def __init__(self, rank: int, world_size: int) -> None:
        self.ends: list[float] = []
        super().__init__(lambda _: self.ends.append(time.monotonic()), torch.device("cpu"))
        self.rank, self.world_size = rank, world_size

    def distribute(self, module: nn.Module) -> nn.Module:
        """Wrap it as our workers do."""
        if self.world_size == 1:
            return module
        return DistributedDataParallel(module, **DDP_SETTINGS)


def steady_epoch(ends: list[float]) -> float:
    """Return the mean time between the ends of epochs."""
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def bare_process(process: int, run: str, root: str, folder: str, ddp: bool) -> None:
    """Train in a spawned process: a rank of a DDP, or a training of its own."""
    torch.set_num_threads(1)
    plan, prepared = RunPlan.model_validate_json(run), open_prepared(Path(root))
    volumes = {case_id: prepared.load(case_id) for case_id in plan.split.train}
    if ddp:
        meet = f"file://{folder}/meet"
        dist.init_process_group("gloo", init_method=meet, rank=process, world_size=2)
    context = BareRank(process if ddp else 0, 2 if ddp else 1)
    checkpoints = Path(folder) / ("0" if ddp else str(process))
    split = plan.split.model_copy(update={"validation": (), "test": ()})
    fit(
        Training(plan.run_id, plan.recipe, plan.seed, split, checkpoints),
        volumes.__getitem__,
        context,
    )
    (Path(folder) / f"took-{process}").write_text(str(steady_epoch(context.ends)))
    # Threads of gloo that are still ending abort an interpreter that goes down.
    os._exit(0)


def bare(plan: StudyPlan, prepared: PreparedSet, processes: int, *, ddp: bool = False) -> float:
    """Return the steady epoch of bare processes, of the slowest where there are several."""
    run = plan.trials[0].run.model_dump_json()
    with tempfile.TemporaryDirectory() as folder:
        spawn(bare_process, (run, str(prepared.root), folder, ddp), nprocs=processes)
        return max(float(file.read_text()) for file in Path(folder).glob("took-*"))


def ours(plan: StudyPlan, volumes: SharedVolumes, workspace: Workspace) -> float:
    """Return the steady epoch of a study of one run, as `voxsiam train` runs it."""
    ledger = Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    room = Capacity.of_cluster()
    if run_study(ledger, volumes, workspace, room, [tracker], threads=1):
        raise RuntimeError(plan.trials[0].run.failure())
    tracker.ended("finished")
    client, parent = MlflowClient(workspace.tracking_uri), tracker.parent
    experiment = client.get_run(parent).info.experiment_id
    (run,) = (r for r in client.search_runs([experiment]) if r.info.run_id != parent)
    # MLflow's times are those at which the driver heard of an epoch.
    history = client.get_metric_history(run.info.run_id, "train/loss")
    return steady_epoch(sorted(metric.timestamp / 1e3 for metric in history))


def measure(asked: argparse.Namespace, folder: Path) -> tuple[list[dict[str, float]], str]:
    """Train in all ways in turn; return the steady epochs of each round, and the numerics."""
    size = replace(
        PRESETS["mini"], grid_dhw=parse_grid(asked.grid), width=asked.width, cases=asked.cases,
        epochs=asked.epochs, seeds=1, validation_fraction=0.0,
    )  # fmt: skip
    home, rounds = Workspace(folder / "home"), []
    with ray_instance(home):
        prepared = require_prepared(None, size, home)
        volumes = share_volumes(prepared)
        measured = plan_study(TABLE, size, prepared, Choices(workers=2), home)
        numerics = measured.trials[0].run.recipe.numerics
        size = replace(size, numerics=numerics)
        for number in range(asked.rounds):
            own = [Workspace(folder / f"round-{number}-{workers}") for workers in (1, 2)]
            one, two = (
                plan_study(TABLE, size, prepared, Choices(workers=workers), workspace)
                for workers, workspace in enumerate(own, start=1)
            )
            took = {
                "bare": bare(one, prepared, 1),
                "bare beside another": bare(one, prepared, 2),
                "bare DDP": bare(two, prepared, 2, ddp=True),
                "ours": ours(one, volumes, own[0]),
                "ours DDP": ours(two, volumes, own[1]),
            }
            print({name: round(seconds, 3) for name, seconds in took.items()}, flush=True)
            rounds.append(took)
    return rounds, f"{numerics.autocast} {numerics.memory_format}"


def report(rounds: list[dict[str, float]], size: str) -> None:
    """Print the ratios of rounds in turn; an efficiency is half of a speed-up."""
    print(f"steady epoch, {size}")
    for title, baseline, ours_, factor in (
        ("efficiency of two workers, ours", "ours", "ours DDP", 0.5),
        ("efficiency of two workers, bare DDP", "bare", "bare DDP", 0.5),
        ("two trainings that share nothing but the machine", "bare", "bare beside another", 1.0),
        ("one process, ours against the bare loop", "bare", "ours", 1.0),
        ("two workers, ours against the bare DDP", "bare DDP", "ours DDP", 1.0),
    ):
        show(title, [(each[baseline] * factor, each[ours_]) for each in rounds])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default="48x48x32", help="HxWxD")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--cases", type=int, default=25, help="80 %% of them are trained on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds, numerics = measure(asked, Path(folder))
    report(rounds, f"{asked.grid}, width {asked.width}, {numerics}")


if __name__ == "__main__":
    main()
