"""Several drivers that track at once: writes a second, errors, and whether a figure is lost.

Run:   python platform/benchmarks/tracking.py                                 (sqlite, 8 x 50)
       MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python platform/benchmarks/tracking.py --json
"""

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from multiprocessing.managers import SyncManager
from pathlib import Path
from threading import Barrier

from mlflow.tracking import MlflowClient

from voxsiam.orchestration.runs.plan import PlannedRun, RunData, RunPlan
from voxsiam.orchestration.tracking.parent_run import ParentRun
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import Recipe
from voxsiam.types import Split
from voxsiam.volumes.preparation_config import PreparationConfig

FIGURES = 30
"""Of an epoch; what a training with the feature loss on three layers writes."""


def plan_run(workspace: Workspace, name: str) -> tuple[ParentRun, PlannedRun]:
    """A study of one trial."""
    split = Split(train=("a", "b"), validation=(), test=())
    data = RunData(
        fingerprint="bench", name="none", kind="phantom", preparation=PreparationConfig()
    )
    parent_run = ParentRun("study", "bench", name, "tiny", data, split, 1, None, "A benchmark.")
    run = RunPlan(recipe=Recipe(), seed=0, split=split, data=data, directory=workspace.run(name))
    return parent_run, PlannedRun(row="bench", run=run)


def write(folder: str, name: str, epochs: int, start: Barrier) -> dict:
    """Be one driver: track a trial of so many epochs, once all drivers have opened the store."""
    put_off = _Counter()
    logging.getLogger("voxsiam").addHandler(put_off)
    workspace = Workspace(Path(folder))
    parent_run, trial = plan_run(workspace, name)
    tracker = StudyTracker(workspace, parent_run)
    tracker.run_started(trial)
    start.wait()
    took, first = [], time.perf_counter()
    for epoch in range(1, epochs + 1):
        record = {"epoch": float(epoch)} | {
            f"train/figure_{n}": epoch + n / 100 for n in range(FIGURES)
        }
        begun = time.perf_counter()
        tracker.epoch_done(trial, record)
        took.append(time.perf_counter() - begun)
    last = time.perf_counter()
    tracker.run_ended(trial, "stopped", None)
    tracker.ended("finished")
    return {
        "parent": tracker.parent,
        "took": took,
        # The clock is the machine's: processes share it.
        "span": (first, last),
        "errors": put_off.count,
        "left": tracker.waiting,
    }


class _Counter(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "not told now" in record.getMessage()


def lost_figures(client: MlflowClient, parent: str, epochs: int) -> int:
    """Count the figures of a study that the store does not hold exactly once and right."""
    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    if len(found) != 1:
        return epochs * FIGURES
    lost = 0
    for number in range(FIGURES):
        history = client.get_metric_history(found[0].info.run_id, f"train/figure_{number}")
        told = sorted((point.step, point.value) for point in history)
        right = [(epoch, epoch + number / 100) for epoch in range(1, epochs + 1)]
        lost += len(set(right) - set(told)) + max(0, len(told) - len(right))
    return lost


def measure(folder: str, writers: int, epochs: int, manager: SyncManager) -> dict:
    """Let so many drivers write at once; return what that took and what came of it."""
    context = multiprocessing.get_context("forkserver")
    start = manager.Barrier(writers)
    run = uuid.uuid4().hex[:8]
    with context.Pool(writers) as pool:
        asked = [
            pool.apply_async(write, (folder, f"bench-{run}-{number}", epochs, start))
            for number in range(writers)
        ]
        told = [answer.get() for answer in asked]
    client = MlflowClient(Workspace(Path(folder)).tracking_uri)
    seconds = max(one["span"][1] for one in told) - min(one["span"][0] for one in told)
    took = sorted(second for one in told for second in one["took"])
    return {
        "writers": writers,
        "epochs": epochs,
        "figures an epoch": FIGURES,
        "seconds": round(seconds, 2),
        "epochs a second": round(writers * epochs / seconds, 1),
        "ms an epoch, median": round(1000 * statistics.median(took), 1),
        "ms an epoch, 99 of 100": round(1000 * took[int(0.99 * len(took))], 1),
        "ms an epoch, longest": round(1000 * took[-1], 1),
        "errors": sum(one["errors"] for one in told),
        "left": sum(one["left"] for one in told),
        "lost": sum(lost_figures(client, one["parent"], epochs) for one in told),
    }


def main() -> None:
    """Measure one store: the workspace's sqlite file, or what MLFLOW_TRACKING_URI names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    multiprocessing.set_forkserver_preload(["voxsiam.orchestration.tracking.study_tracker"])
    context = multiprocessing.get_context("forkserver")
    with tempfile.TemporaryDirectory() as folder, context.Manager() as manager:
        found = measure(folder, options.writers, options.epochs, manager)
    show: Callable[[dict], str] = json.dumps if options.json else _lines
    print(show({"store": os.environ.get("MLFLOW_TRACKING_URI", "sqlite")} | found))


def _lines(found: dict) -> str:
    return "\n".join(f"{name:24} {value}" for name, value in found.items())


if __name__ == "__main__":
    main()
