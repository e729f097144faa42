"""How much each setting of a sweep matters, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator

from voxsiam.orchestration.sweeps.history import settled_trial
from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam_dashboards.store.sweep_results import SweepResults

LEAST_TRIALS = 8
"""Trained to the end: below it nothing is said."""

RESAMPLES = 30
TREES = 32


@dataclass(frozen=True)
class Importance:
    """Share of the scores' variance that a setting explains (fANOVA, Hutter et al. 2014).

    Attributes:
        setting: Its name.
        share: Between 0 and 1; all settings together have 1.
        low: Between it and `high` lie 90 % of the shares of resampled trials.
        high: See low.
    """

    setting: str
    share: float
    low: float
    high: float


def importances(results: SweepResults, seed: int = 0) -> tuple[Importance, ...]:
    """Estimate the importance of each setting, with intervals by resampling the trials.

    Args:
        results: Only its finished trials count: the others were not trained to the end.
        seed: Names the resamples.

    Returns:
        The most important first; nothing below LEAST_TRIALS, with a single setting, or where all
        scores are equal.
    """
    done = results.finished
    scores = {trial.objectives["dsc"] for trial in done}
    if len(done) < LEAST_TRIALS or len(results.settings) < 2 or len(scores) < 2:
        return ()
    rng = np.random.default_rng(seed)
    drawn = [_shares(results, [done[i] for i in _resample(rng, done)]) for _ in range(RESAMPLES)]
    found = []
    for name, share in _shares(results, done).items():
        low, high = np.quantile([shares[name] for shares in drawn], (0.05, 0.95))
        found.append(Importance(name, share, float(low), float(high)))
    return tuple(sorted(found, key=lambda each: -each.share))


def _resample(rng: np.random.Generator, trials: Sequence[SweepTrial]) -> list[int]:
    """Draw trials with replacement, at least two of different scores."""
    while True:
        drawn = rng.integers(0, len(trials), len(trials)).tolist()
        if len({trials[index].objectives["dsc"] for index in drawn}) > 1:
            return drawn


def _shares(results: SweepResults, trials: Sequence[SweepTrial]) -> dict[str, float]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    distributions = {setting.name: setting.distribution() for setting in results.settings}
    for trial in trials:
        study.add_trial(settled_trial(trial, distributions, [trial.objectives["dsc"]]))
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {setting.name: float(found.get(setting.name, 0.0)) for setting in results.settings}
