"""What a study or sweep will cost: a few steps are timed here, the rest is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

import torch

from voxsiam.models.catalogue import build_network
from voxsiam.models.network import count_parameters
from voxsiam.training.numerics import TrainingStep, resolve_numerics
from voxsiam.training.recipe import NumericsConfig, Recipe
from voxsiam.types import Shape
from voxsiam_experiments.settled_numerics import network_key

MAX_TIMED_VOXELS = 4 * 32 * 64 * 64 * 16
"""Of a batch times the network's width, on CPU: above it a part is timed, the cost being linear."""

ROUNDS = 3
START_UP_S = {False: 1.0, True: 12.0}
"""Before a trial's first step: in its own process, and on workers (docs/decisions/0004)."""

FORWARD_SHARE = 1 / 3
"""Of a training step, for a case that is only scored."""

BYTES_PER_PARAMETER = 12
"""Of a checkpoint: weight and two moments in float32."""

CHECKPOINTS = 2


@dataclass(frozen=True)
class Trainings:
    """Equal trainings.

    Attributes:
        train_cases: That give gradients.
        scored_cases: In every epoch.
    """

    label: str
    recipe: Recipe
    count: int
    train_cases: int
    scored_cases: int


@dataclass(frozen=True)
class RowForecast:
    """What equal trainings will cost.

    Attributes:
        steps: Of one training.
        step_s: Least and greatest time of a step, as timed; all workers together.
        training_s: Of one training, from the least to the greatest.
        checkpoint_bytes: That one training holds.
    """

    trainings: Trainings
    steps: int
    step_s: tuple[float, float]
    training_s: tuple[float, float]
    checkpoint_bytes: int


@dataclass(frozen=True)
class Forecast:
    """What all of it will cost.

    Attributes:
        slots: Trainings at a time.
        gpus: Held by each; 0 on CPU.
        timed_part: Share of a step's voxels that was timed; 1 is all.
    """

    rows: tuple[RowForecast, ...]
    slots: int
    gpus: int
    timed_part: float

    @property
    def hours(self) -> tuple[float, float]:
        """Of the clock, from the least to the greatest."""
        count = sum(row.trainings.count for row in self.rows)
        # The last trainings end together, however few they are.
        rounds = ceil(count / self.slots)
        low, high = self._all_s
        return low / count * rounds / 3600, high / count * rounds / 3600

    @property
    def gpu_hours(self) -> tuple[float, float]:
        """GPUs that a training holds, times its hours, of all trainings."""
        low, high = self._all_s
        return low * self.gpus / 3600, high * self.gpus / 3600

    @property
    def _all_s(self) -> tuple[float, float]:
        """Of all trainings, one after the other."""
        low, high = (
            sum(row.training_s[end] * row.trainings.count for row in self.rows) for end in (0, 1)
        )
        return low, high

    @property
    def disk_bytes(self) -> int:
        """Checkpoints of all trainings."""
        return sum(row.checkpoint_bytes * row.trainings.count for row in self.rows)


def forecast(trainings: Sequence[Trainings], grid_dhw: Shape, workers: int, slots: int) -> Forecast:
    """Time a few steps of each kind of training on this machine, and count the rest.

    Args:
        workers: Of a trial, on the same machine: together they are as fast as one.
        slots: Places for trials; those at a time share the processors, not the GPUs.
    """
    slots = min(slots, sum(each.count for each in trainings))
    on_gpu = torch.cuda.is_available()
    known: dict[str, tuple[tuple[float, float], float]] = {}
    numerics: dict[str, NumericsConfig] = {}
    rows: list[RowForecast] = []
    for each in trainings:
        key = each.recipe.with_changes(epochs=1).fingerprint()
        if key not in known:
            known[key] = _time_step(each.recipe, grid_dhw, numerics)
        rows.append(_row(each, known[key][0], workers, 1 if on_gpu else slots))
    part = min((timed for _, timed in known.values()), default=1.0)
    return Forecast(tuple(rows), slots, workers if on_gpu else 0, part)


def _row(each: Trainings, step_s: tuple[float, float], workers: int, sharing: int) -> RowForecast:
    recipe = each.recipe
    steps = ceil(each.train_cases / recipe.batch_size) * recipe.epochs
    scored = each.scored_cases * recipe.epochs * FORWARD_SHARE / recipe.batch_size
    start_up = START_UP_S[workers > 1 or torch.cuda.is_available()]
    low, high = (start_up + (steps + scored) * seconds * sharing for seconds in step_s)
    parameters = count_parameters(build_network(recipe.network))
    size = parameters * BYTES_PER_PARAMETER * CHECKPOINTS
    return RowForecast(each, steps, step_s, (low, high), size)


def _time_step(
    recipe: Recipe, grid_dhw: Shape, numerics: dict[str, NumericsConfig]
) -> tuple[tuple[float, float], float]:
    """Return least and greatest seconds of a step, and the share of its voxels that was timed.

    Precision and layout are measured once a network, as a study does.
    """
    cases, grid = recipe.batch_size, grid_dhw
    if not torch.cuda.is_available():
        cases, grid = _part(recipe, grid_dhw)
    share = cases * prod(grid) / (recipe.batch_size * prod(grid_dhw))
    network = network_key(recipe)
    if network not in numerics:
        settled = resolve_numerics(recipe, grid, cases, torch.get_num_threads())
        numerics[network] = settled.numerics
    step = TrainingStep(recipe.with_changes(numerics=numerics[network]), grid, cases)
    step()
    times = [step.seconds() / share for _ in range(ROUNDS)]
    return (min(times), max(times)), share


def _part(recipe: Recipe, grid_dhw: Shape) -> tuple[int, Shape]:
    """Choose fewer cases, then a smaller grid, until a step is timed in seconds."""
    cases, (d, h, w) = recipe.batch_size, grid_dhw
    smallest = 2**recipe.network.levels
    while cases * d * h * w * recipe.network.width > MAX_TIMED_VOXELS:
        if cases > 1:
            cases //= 2
        elif min(d, h, w) // 2 >= smallest:
            d, h, w = d // 2, h // 2, w // 2
        else:
            break
    return cases, (d, h, w)
