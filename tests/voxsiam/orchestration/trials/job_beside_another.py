"""One of two jobs on a cluster: trials that do nothing but note when they begin.

Run: python -m tests.voxsiam.orchestration.trials.job_beside_another NAME TRIALS CPUS LOG OTHER
"""

import logging
import sys
import time
from pathlib import Path

import ray
from ray import tune
from ray.tune.execution.placement_groups import PlacementGroupFactory

from voxsiam.orchestration.cluster.fair_share import FairShare, TrialSize
from voxsiam.orchestration.cluster.held_places import held_places
from voxsiam.orchestration.trials.fair_trials import FairOrder, FairVariants, Turns

ENOUGH_S = 30.0


def note(log: Path, name: str, what: str) -> None:
    """Add a line; lines of several processes do not mix."""
    with log.open("a") as lines:
        lines.write(f"{name} {what}\n")


def trial(config: dict, name: str, log: Path, other: str) -> None:
    """Note the beginning, and last until the other job waits for places, or is over.

    A job that has its share of a full cluster waits for nothing: no trial waits for that for ever.
    """
    note(log, name, "begin")
    ours, begun = ray.get_runtime_context().get_job_id(), time.monotonic()
    while not any(each.waits and each.job != ours for each in held_places()):
        if f"{other} ends" in log.read_text() or time.monotonic() - begun > ENOUGH_S:
            break
        time.sleep(0.1)
    tune.report({"number": config["number"]})


def main(name: str, trials: int, cpus: int, log: Path, other: str) -> None:
    ray.init(log_to_driver=False, logging_level=logging.ERROR)
    turns = Turns(FairShare(TrialSize(1, 0.0, threads=cpus)))
    bound = tune.with_parameters(trial, name=name, log=log, other=other)
    tune.Tuner(
        tune.with_resources(bound, PlacementGroupFactory([{"CPU": float(cpus)}])),
        param_space={"number": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(
            search_alg=FairVariants(turns), scheduler=FairOrder(turns), reuse_actors=True
        ),
        run_config=tune.RunConfig(name=name, storage_path=str(log.parent / name), verbose=0),
    ).fit()
    note(log, name, "ends")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
