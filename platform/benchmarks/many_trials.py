"""Trials that sleep instead of training: what scheduling, ledger and tracking cost on the driver.

Run: .venv/bin/python platform/benchmarks/many_trials.py --trials 1000 --slots 64 --seconds 20
Each trial holds one of so many tokens of one raylet, reports five epochs and leaves a result, as a
training does; the study's own bridge, ledger and MLflow tracker hear of it.
"""

import argparse
import json
import logging
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune

from voxsiam.orchestration.cluster.ray_access import keep_token_private, on_loopback
from voxsiam.orchestration.runs.plan import PlannedRun, RunData, RunPlan, RunState, run_identity
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan
from voxsiam.orchestration.studies.tune_run import LedgerKeeper
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.trials.tune_bridge import StudyListener, TuneBridge
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import Record
from voxsiam.types import Split
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_experiments.presets import PRESETS
from voxsiam_experiments.studies import STUDIES

EPOCHS = 5
SPLIT = Split(train=("a", "b"), validation=("v",), test=("t",))


def sleep_instead(config: dict[str, Any]) -> None:
    """Tune's function: as many epochs as a trial has, none of which trains anything."""
    records = []
    for epoch in range(1, EPOCHS + 1):
        time.sleep(config["trial"]["seconds"] / EPOCHS)
        records.append({"epoch": epoch, "train/loss": 1.0 / epoch, "validation/dsc": 0.1 * epoch})
        tune.report(records[-1])
    folder = Path(config["trial"]["folder"])
    (folder / "model").mkdir(parents=True)
    result = {"summary": {}, "records": records, "seconds": config["trial"]["seconds"]}
    (folder / "result.json").write_text(json.dumps(result))


class Timed:
    """A listener whose time is counted.

    Args:
        name: Under which its time is counted.
        spent_s: Seconds by name.
    """

    def __init__(self, listener: StudyListener, name: str, spent_s: dict[str, float]) -> None:
        self._listener, self._name, self._spent_s = listener, name, spent_s

    def run_started(self, planned: PlannedRun) -> None:
        """Count and pass on."""
        self._count(lambda: self._listener.run_started(planned))

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Count and pass on."""
        self._count(lambda: self._listener.epoch_done(planned, record))

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Count and pass on."""
        self._count(lambda: self._listener.run_ended(planned, state, error))

    def _count(self, call: Callable[[], None]) -> None:
        start = time.monotonic()
        call()
        self._spent_s[self._name] += time.monotonic() - start


def main() -> None:
    """Run the study of sleepers and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        plan = _plan(workspace, asked.trials)
        keep_token_private()
        with on_loopback():
            ray.init(
                address="local", num_cpus=2, resources={"slot": asked.slots},
                include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False,
            )  # fmt: skip
        found = _run(plan, workspace, asked.slots, asked.seconds)
        ray.shutdown()
    print(json.dumps(found, indent=1))


def _plan(workspace: Workspace, trials: int) -> StudyPlan:
    table = STUDIES["table3"]
    preset, row = PRESETS["tiny"], table.rows[0]
    recipe = preset.apply(row.recipe, preset.grid_dhw)
    data = RunData(
        fingerprint="none",
        name="none",
        kind="phantom",
        preparation=PreparationConfig(grid_dhw=preset.grid_dhw),
    )
    runs = [
        RunPlan(
            recipe=recipe,
            seed=seed,
            split=SPLIT,
            data=data,
            directory=workspace.run(run_identity(recipe, seed, SPLIT, "none")),
        )
        for seed in range(trials)
    ]
    return StudyPlan(
        study="table3",
        study_id="sleepers",
        preset="tiny",
        prepared=workspace.cache,
        data_name="none",
        data_kind="phantom",
        grid_dhw=preset.grid_dhw,
        workers=1,
        trials=tuple(PlannedRun(row=row.label, run=run) for run in runs),
    )


def _run(plan: StudyPlan, workspace: Workspace, slots: int, seconds: float) -> dict[str, Any]:
    spent_s: dict[str, float] = defaultdict(float)
    ledger = Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    heard = [
        Timed(LedgerKeeper(ledger), "ledger", spent_s),
        Timed(tracker, "MLflow", spent_s),
    ]
    bridge = TuneBridge([[trial] for trial in plan.trials], heard)
    configs = [
        {"index": index, "seconds": seconds, "folder": str(trial.run.directory)}
        for index, trial in enumerate(plan.trials)
    ]
    tuner = tune.Tuner(
        tune.with_resources(sleep_instead, {"slot": 1}),
        param_space={"trial": tune.grid_search(configs)},
        tune_config=tune.TuneConfig(max_concurrent_trials=slots, reuse_actors=True),
        run_config=tune.RunConfig(
            name="sleepers", storage_path=str(workspace.ray), callbacks=[bridge], verbose=0
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    start, started = time.monotonic(), time.time()
    tuner.fit()
    took = time.monotonic() - start
    ideal = math.ceil(len(configs) / slots) * seconds
    ends_s = sorted(trial.run.result_file.stat().st_mtime - started for trial in plan.trials)
    return {
        "trials": len(configs),
        "finished": len(configs) - len(ledger.unfinished()),
        "seconds": round(took, 1),
        "ideal_s": round(ideal, 1),
        "overhead_ms_a_trial": round(1000 * (took - ideal) / len(configs), 1),
        "all_slots_in_use_s": round(ends_s[min(slots, len(ends_s)) - 1] - seconds, 1),
        "steady_overhead_percent": _steady_overhead(ends_s, slots, seconds),
        "driver_busy_ms_a_trial": {
            name: round(1000 * value / len(configs), 1) for name, value in spent_s.items()
        },
        "ledger_kB": round(ledger.path.stat().st_size / 1000),
        "driver_MiB": round(psutil.Process().memory_info().rss / 2**20),
    }


def _steady_overhead(ends_s: Sequence[float], slots: int, seconds: float) -> float | None:
    """Per cent by which trials take longer than they sleep, once all processes are there.

    From the rate of trials between the second trial of the last slot and the end of the queue;
    None where there are not so many.
    """
    first, last = 2 * slots, len(ends_s) - slots
    if last <= first:
        return None
    rate = (last - first) / (ends_s[last] - ends_s[first])
    return round(100 * (slots / rate / seconds - 1), 1)


if __name__ == "__main__":
    main()
