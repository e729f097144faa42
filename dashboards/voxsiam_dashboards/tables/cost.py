"""What the rows of a study cost: time, memory and energy, as far as they were measured."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import fmean

import torch
from pydantic import ValidationError

from voxsiam.models.catalogue import build_network
from voxsiam.models.network import count_parameters
from voxsiam.models.network_config import NetworkConfig
from voxsiam.training.usage import DEVICE_KJ, DEVICE_MB, ENERGY_KJ, PROCESS_MB, SECONDS
from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.tables.rows import ReportRow

TOTAL = "all that was trained here"


@dataclass(frozen=True)
class Cost:
    """What the trainings of a row cost; None where that was not measured.

    Attributes:
        row: Label of the row.
        runs: Trainings that have recorded an epoch.
        seconds_a_run: Mean time of the finished ones, epochs alone.
        hours: Time times workers, of all runs.
        on_gpu: Whether a worker is a GPU; else it is a process on a CPU, of one or more threads.
        devices: What the runs say they were trained on.
        process_mb: Peak of the resident memory of a worker, units of 10^6 bytes.
        device_mb: Peak of the GPU memory of a worker.
        energy_kj: Of all runs, where every epoch's was counted.
        device_kj: The GPUs' part of it.
        parameters: Of the network at inference.
        trained_in: Other studies that the trainings come from.
    """

    row: str
    runs: int
    seconds_a_run: float | None
    hours: float | None
    on_gpu: bool
    devices: tuple[str, ...]
    process_mb: float | None
    device_mb: float | None
    energy_kj: float | None
    device_kj: float | None
    parameters: int | None
    trained_in: tuple[str, ...]


def row_cost(row: ReportRow, planned_workers: int | None) -> Cost:
    """Add up what the runs of a row cost.

    Args:
        planned_workers: Of the study, for runs that do not tell theirs.
    """
    return _cost(row.label, row.trials, planned_workers)


def study_cost(rows: Sequence[ReportRow], planned_workers: int | None) -> Cost:
    """Add up what a study has trained itself; what it took from another study cost it nothing."""
    own = [trial for row in rows for trial in row.trials if not trial.trained_in]
    return _cost(TOTAL, own, planned_workers)


def _cost(label: str, trials: Iterable[TrialResult], planned_workers: int | None) -> Cost:
    runs = [trial for trial in trials if trial.curve(SECONDS)]
    seconds = [sum(run.curve(SECONDS).values()) for run in runs]
    workers = [run.workers or planned_workers for run in runs]
    known = [count for count in workers if count is not None]
    spent = sum(s * w for s, w in zip(seconds, known, strict=False)) / 3600
    done = [s for s, run in zip(seconds, runs, strict=True) if run.finished]
    return Cost(
        row=label,
        runs=len(runs),
        seconds_a_run=fmean(done) if done else None,
        hours=spent if runs and len(known) == len(runs) else None,
        on_gpu=any(run.curve(DEVICE_MB) for run in runs),
        devices=_told(run.environment.get("device", "") for run in runs),
        process_mb=_peak(runs, PROCESS_MB),
        device_mb=_peak(runs, DEVICE_MB),
        energy_kj=_whole_sum(runs, ENERGY_KJ),
        device_kj=_whole_sum(runs, DEVICE_KJ),
        parameters=_common(_parameters(run) for run in runs),
        trained_in=_told(run.trained_in for run in runs),
    )


def _peak(runs: Sequence[TrialResult], name: str) -> float | None:
    return max((value for run in runs for value in run.curve(name).values()), default=None)


def _whole_sum(runs: Sequence[TrialResult], name: str) -> float | None:
    """Sum over all epochs of all runs; a sum with gaps would look like a saving."""
    complete = all(run.curve(name).keys() == run.curve(SECONDS).keys() for run in runs)
    if not runs or not complete:
        return None
    return sum(value for run in runs for value in run.curve(name).values())


def _told(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text}))


def _common(counts: Iterable[int | None]) -> int | None:
    found = set(counts)
    return found.pop() if len(found) == 1 else None


def _parameters(run: TrialResult) -> int | None:
    """Count what a model file holds: the heads are not part of it."""
    return _network_parameters(json.dumps(run.recipe.get("network")))


@lru_cache
def _network_parameters(network: str) -> int | None:
    try:
        config = NetworkConfig.model_validate_json(network)
    except ValidationError:
        return None
    build: Callable[[], torch.nn.Module] = partial(build_network, config)
    with torch.device("meta"):
        return count_parameters(build())
