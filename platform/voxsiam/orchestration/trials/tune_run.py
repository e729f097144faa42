"""The trials of a study or a sweep under Ray Tune, from the first to the last."""

import logging
from typing import Any

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import SearchAlgorithm, Searcher

from voxsiam.orchestration.trials.failure_policy import MOST_FAILURES
from voxsiam.orchestration.trials.trial import TrialSetup
from voxsiam.orchestration.trials.tune_bridge import TuneBridge
from voxsiam.orchestration.trials.worker_places import TrialPlaces

PROCESS_DEATHS = tune.FailureConfig(max_failures=MOST_FAILURES)
"""A trial whose process or node died starts again elsewhere and goes on from its checkpoint; a new
epoch gives it all attempts back (`tune_bridge.py`)."""


def run_trials(
    setup: TrialSetup,
    bridge: TuneBridge,
    search: SearchAlgorithm | Searcher,
    scheduler: TrialScheduler,
    *,
    configs: list[dict[str, Any]] | None = None,
    stop: tune.Stopper | None = None,
) -> None:
    """Let Tune run trials until there are no more, or it is interrupted.

    Args:
        scheduler: Decides which one goes on.
        configs: The trials, where they are known; else the search makes them.
    """
    known = {} if configs is None else {"trial": tune.grid_search(configs)}
    tuner = tune.Tuner(
        setup.trainable(),
        param_space=known,
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=scheduler,
            num_samples=-1 if configs is None else 1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=setup.study,
            storage_path=str(setup.workspace.ray),
            callbacks=[bridge, TrialPlaces()],
            failure_config=PROCESS_DEATHS,
            stop=stop,
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        tuner.fit()
    finally:
        bridge.end_open_trials()
