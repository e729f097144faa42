"""What a study or sweep will cost, on the terminal."""

import torch
from rich.table import Table as Grid

from voxsiam.orchestration.cluster.ray_instance import local_cpus
from voxsiam.orchestration.studies.table import Table
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.types import PAPER_ORGANS, Shape
from voxsiam_cli.console import clock, console, say
from voxsiam_cli.data.prepared import list_data
from voxsiam_experiments.forecast import Forecast, Trainings, forecast
from voxsiam_experiments.plan import sized_recipes, split_of
from voxsiam_experiments.presets import Choices, Preset
from voxsiam_experiments.sweep_plan import VALIDATION_FRACTION, search_space
from voxsiam_experiments.sweeps import Search, Sweep


def forecast_study(table: Table, preset: Preset, data: str | None, choices: Choices) -> Forecast:
    """Say what a study will cost; nothing is made or started."""
    grid, train, scored, organs = _sizes(preset, data, choices)
    seeds, workers = choices.seeds or preset.seeds, choices.workers or preset.workers
    recipes = sized_recipes(table, preset, grid, choices, organs)
    trainings = [
        Trainings(row.label, recipe, seeds, max(1, round(train * row.label_fraction)), scored)
        for row, recipe in zip(table.rows, recipes, strict=True)
    ]
    return forecast(trainings, grid, workers, _slots(workers))


def forecast_sweep(
    sweep: Sweep, preset: Preset, data: str | None, choices: Choices, search: Search, budget: Budget
) -> Forecast:
    """Say what a sweep will cost at most; nothing is made or started."""
    grid, train, scored, organs = _sizes(preset, data, choices)
    if not scored:
        scored = max(1, round(train * VALIDATION_FRACTION))
        train -= scored
    workers = choices.workers or preset.workers
    base = search_space(sweep, preset, grid, choices, organs).base
    # Hours do not say how many trials they will hold.
    label = "search" if budget.trials else "search, a single trial"
    searched = Trainings(label, base, (budget.trials or 1) * search.seeds, train, scored)
    final = Trainings("winner and printed settings", base, 2 * preset.seeds, train + scored, 0)
    return forecast([searched, final], grid, workers, _slots(workers))


def show_forecast(found: Forecast) -> None:
    """Print a forecast."""
    grid = Grid("what", "trainings", "steps each", "seconds a step", "time each", "checkpoints")
    for row in found.rows:
        grid.add_row(
            row.trainings.label,
            str(row.trainings.count),
            str(row.steps),
            f"{row.step_s[0]:.3g} to {row.step_s[1]:.3g}",
            f"{clock(row.training_s[0])} to {clock(row.training_s[1])}",
            f"{row.checkpoint_bytes / 2**20:.0f} MiB",
        )
    console.print(grid)
    low, high = found.hours
    say(
        f"all of it: {clock(low * 3600)} to {clock(high * 3600)} on this machine "
        f"({low:.2g} to {high:.2g} hours), {found.slots} at a time"
    )
    if found.gpus:
        say(f"GPU-hours: {found.gpu_hours[0]:.2g} to {found.gpu_hours[1]:.2g}")
    say(f"disk: {found.disk_bytes / 2**30:.2f} GiB of checkpoints")
    if found.timed_part < 1:
        say(
            f"a step was timed on {found.timed_part:.1%} of its voxels, the whole being too large "
            "for this machine to try; the cost is linear in voxels.",
            "dim",
        )
    say("testing and the report are not counted; other work on the machine adds to it.", "dim")


def _sizes(
    preset: Preset, data: str | None, choices: Choices
) -> tuple[Shape, int, int, tuple[str, ...]]:
    """Return grid, training cases, validation cases and the classes."""
    if data is not None:
        prepared = list_data(data)
        split = split_of(preset, prepared, choices)
        sides = len(split.train), len(split.validation)
        return prepared.config.grid_dhw, *sides, prepared.organs
    rest = preset.phantoms() - round(preset.phantoms() * preset.test_fraction)
    scored = round(rest * preset.validation_fraction)
    return preset.grid_dhw, rest - scored, scored, PAPER_ORGANS


def _slots(workers: int) -> int:
    return max(1, (torch.cuda.device_count() or max(2, local_cpus())) // workers)
