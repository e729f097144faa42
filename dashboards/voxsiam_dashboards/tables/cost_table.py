"""What a study cost, as a table of texts."""

from collections.abc import Sequence

from voxsiam_dashboards.tables.cost import Cost, row_cost, study_cost
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

COLUMNS = (
    "Row",
    "Runs",
    "Time a run (h:mm:ss)",
    "Hours x workers, all runs",
    "Device",
    "Peak memory of a worker (MB)",
    "of a GPU (MB)",
    "Energy, all runs (kJ)",
    "Parameters at inference",
    "Trained in",
)
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


def cost_table(report: ReportTable) -> TextTable:
    """Write what the rows cost, and what the study trained itself."""
    workers = planned_workers(report)
    costs = [row_cost(row, workers) for row in report.rows]
    costs += [study_cost(report.rows, workers)] if len(costs) > 1 else []
    linked = any(cost.trained_in for cost in costs)
    return TextTable(
        title="What it cost",
        header=COLUMNS,
        body=tuple(_texts(cost) for cost in costs),
        notes=(*NOTES, LINKED) if linked else NOTES,
    )


def planned_workers(report: ReportTable) -> int | None:
    """Workers of a trial as the study's plan has them."""
    told = report.results.plan.get("workers")
    return told if isinstance(told, int) else None


def hours_text(cost: Cost) -> str:
    """Write the hours with their unit."""
    if cost.hours is None:
        return "-"
    return f"{cost.hours:.3g} {'GPU' if cost.on_gpu else 'CPU'}-hours"


def energy_text(cost: Cost) -> str:
    """Write the energy, and of which parts it is."""
    if cost.energy_kj is None:
        return "-"
    if not cost.on_gpu:
        return f"{cost.energy_kj:.3g}"
    return f"{cost.energy_kj:.3g} (GPUs {_number(cost.device_kj, '.3g')})"


def _texts(cost: Cost) -> tuple[str, ...]:
    return (
        cost.row,
        str(cost.runs),
        "-" if cost.seconds_a_run is None else clock(cost.seconds_a_run),
        hours_text(cost),
        _listed(cost.devices, "-"),
        _number(cost.process_mb, ",.0f"),
        _number(cost.device_mb, ",.0f"),
        energy_text(cost),
        _number(cost.parameters, ",d"),
        _listed(cost.trained_in, "this study" if cost.runs else "-"),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _listed(texts: Sequence[str], nothing: str) -> str:
    return ", ".join(texts) or nothing


def clock(seconds: float) -> str:
    """Write a span of time as 0:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
