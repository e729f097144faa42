"""What the rows of a study cost: time, memory and energy, as far as they were measured."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import torch
from pydantic import ValidationError

from voxsiam.models.catalogue import build_network
from voxsiam.models.network import count_parameters
from voxsiam.models.network_config import NetworkConfig
from voxsiam.training.usage import DEVICE_KJ, DEVICE_MB, ENERGY_KJ, PROCESS_MB, SECONDS
from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

TOTAL = "all that was trained here"
NOTES = (
    "Time is that of the training epochs, without start-up and without the test. CPU-hours are "
    "time times workers; a worker may use several cores.",
    "Energy is read from the counters of GPUs (NVML) and processors (RAPL), whatever else these "
    "did meanwhile. A dash stands where they could not be read: nothing is estimated.",
)
LINKED = (
    "What another study trained cost this one nothing; its figures are those of that training, "
    "and the last line leaves it out."
)


@dataclass(frozen=True)
class Cost:
    """What the trainings of a row cost; None where that was not measured.

    Attributes:
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

    @property
    def hours_text(self) -> str:
        """The hours with their unit."""
        if self.hours is None:
            return "-"
        return f"{self.hours:.3g} {'GPU' if self.on_gpu else 'CPU'}-hours"

    @property
    def energy_text(self) -> str:
        """The energy, and of which parts it is."""
        if self.energy_kj is None or not self.on_gpu:
            return _number(self.energy_kj, ".3g")
        return f"{self.energy_kj:.3g} (GPUs {_number(self.device_kj, '.3g')})"


COLUMNS: dict[str, Callable[[Cost], str]] = {
    "Row": lambda cost: cost.row,
    "Runs": lambda cost: str(cost.runs),
    "Time a run (h:mm:ss)": lambda cost: (
        "-" if cost.seconds_a_run is None else clock(cost.seconds_a_run)
    ),
    "Hours x workers, all runs": lambda cost: cost.hours_text,
    "Device": lambda cost: ", ".join(cost.devices) or "-",
    "Peak memory of a worker (MB)": lambda cost: _number(cost.process_mb, ",.0f"),
    "of a GPU (MB)": lambda cost: _number(cost.device_mb, ",.0f"),
    "Energy, all runs (kJ)": lambda cost: cost.energy_text,
    "Parameters at inference": lambda cost: _number(cost.parameters, ",d"),
    "Trained in": lambda cost: ", ".join(cost.trained_in) or ("this study" if cost.runs else "-"),
}


def row_costs(report: ReportTable) -> list[Cost]:
    """Add up what the runs of each row cost."""
    return [_cost(report, row.label, row.trials) for row in report.rows]


def study_cost(report: ReportTable) -> Cost:
    """Add up what a study has trained itself; what it took from another study cost it nothing."""
    own = [trial for row in report.rows for trial in row.trials if not trial.trained_in]
    return _cost(report, TOTAL, own)


def cost_table(report: ReportTable) -> TextTable:
    """Write what the rows cost, and what the study trained itself."""
    costs = row_costs(report)
    costs += [study_cost(report)] if len(costs) > 1 else []
    linked = any(cost.trained_in for cost in costs)
    return TextTable(
        title="What it cost",
        header=tuple(COLUMNS),
        body=tuple(tuple(text(cost) for text in COLUMNS.values()) for cost in costs),
        notes=(*NOTES, LINKED) if linked else NOTES,
    )


def clock(seconds: float) -> str:
    """Write a span of time as 0:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _cost(report: ReportTable, label: str, trials: Iterable[TrialResult]) -> Cost:
    runs = [trial for trial in trials if trial.curve(SECONDS)]
    seconds = [sum(run.curve(SECONDS).values()) for run in runs]
    planned = report.results.plan.get("workers")
    workers = [run.workers or planned for run in runs]
    known = [count for count in workers if isinstance(count, int)]
    spent = sum(s * w for s, w in zip(seconds, known, strict=False)) / 3600
    done = [s for s, run in zip(seconds, runs, strict=True) if run.finished]
    parameters = {_parameters(json.dumps(run.recipe.get("network"))) for run in runs}
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
        parameters=parameters.pop() if len(parameters) == 1 else None,
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


@lru_cache
def _parameters(network: str) -> int | None:
    """Count what a model file holds: the heads are not part of it."""
    try:
        config = NetworkConfig.model_validate_json(network)
    except ValidationError:
        return None
    with torch.device("meta"):
        return count_parameters(build_network(config))
