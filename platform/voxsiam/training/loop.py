"""The training loop: plain PyTorch, the same on one process and on many."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from voxsiam.collective import gather_objects, sum_over_ranks
from voxsiam.errors import UserError
from voxsiam.metrics.confusion import dice_per_class
from voxsiam.training.batch import CaseLoader, epoch_plan, rank_part, read_batches
from voxsiam.training.checkpoint import CheckpointFolder, TrainingState, restore
from voxsiam.training.config import OptimiserConfig, Recipe
from voxsiam.training.context import TrainContext
from voxsiam.training.objective import Moment, Objective, run_network
from voxsiam.types import ORGANS, Split

Records = tuple[dict[str, float], ...]


class TrainingDivergedError(RuntimeError):
    """The loss or its gradient is no longer a number."""


@dataclass(frozen=True)
class Training:
    """One training, all of it: what, on which cases, from which seed, and where it is kept.

    Attributes:
        run_id: Identity of the run.
        checkpoints: Folder that all ranks see.
    """

    run_id: str
    recipe: Recipe
    seed: int
    split: Split
    checkpoints: Path


def fit(training: Training, load: CaseLoader, context: TrainContext) -> tuple[Objective, Records]:
    """Train to the recipe's last epoch, from the newest checkpoint where there is one.

    Resuming gives what the unbroken run gives: the order of cases and the draw of voxels follow
    from (seed, epoch, step) alone, and the rest is in the checkpoint.

    Returns:
        The trained module on the context's device, and the figures of every epoch.

    Raises:
        TrainingDivergedError: The loss of a step or its gradient is not finite; the message names
            its cases.
    """
    recipe, folder = training.recipe, CheckpointFolder(training.checkpoints)
    objective = build_objective(recipe, training.seed, context.device)
    optimiser = build_optimiser(objective, recipe.optimiser)
    state = TrainingState(epochs_done=0, run_id=training.run_id, records=())
    found = folder.newest(training.run_id)
    if found is not None:
        restore(found[0], objective, optimiser)
        state = found[1]
    module = context.distribute(objective)
    for record in state.records[-1:]:
        # A worker group that was restarted must report at least once, or its run ends without.
        context.report(record)
    for epoch in range(state.epochs_done, recipe.epochs):
        _set_learning_rate(optimiser, recipe.optimiser, epoch, recipe.epochs)
        record = _train_epoch(training, module, optimiser, load, context, epoch)
        record |= score_cases(objective, training.split.validation, load, context)
        state = TrainingState(epoch + 1, training.run_id, (*state.records, record))
        if context.rank == 0:
            folder.save(state, objective, optimiser)
        context.report(record)
    return objective, state.records


def build_objective(recipe: Recipe, seed: int, device: torch.device) -> Objective:
    """Build network and heads with weights drawn from the seed alone."""
    if not recipe.numerics.resolved:
        raise UserError(
            "the recipe's numerics are not settled",
            where="numerics.autocast, numerics.memory_format",
            fix="measure them first (voxsiam.training.numerics) or set them with --set",
        )
    torch.manual_seed(seed)
    objective = Objective(recipe).to(device)
    if recipe.numerics.memory_format == "channels_last":
        objective.network.to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue]
    return objective


def build_optimiser(objective: nn.Module, config: OptimiserConfig) -> torch.optim.Adam:
    """Build Adam; its weight decay is the L2 term, as the paper's framework had it."""
    return torch.optim.Adam(
        objective.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )


def score_cases(
    objective: Objective, case_ids: Iterable[str], load: CaseLoader, context: TrainContext
) -> dict[str, float]:
    """Score the inner validation cases, shared out over ranks: mean Dice per organ and overall."""
    cases = tuple(case_ids)
    if not cases:
        return {}
    mine = []
    for case_id in rank_part(cases, context.rank, context.world_size):
        volume = load(case_id)
        image = torch.from_numpy(volume.image)[None, None].float().to(context.device)
        label = torch.from_numpy(volume.label)[None].to(context.device)
        with torch.inference_mode():
            logits, _ = run_network(objective.network, image, objective.numerics)
            mine.append(dice_per_class(logits.argmax(1), label, objective.num_classes)[0].tolist())
    rows = [row for part in gather_objects(mine) for row in part]
    return _organ_means("validation/dsc", torch.tensor(rows, dtype=torch.float64))


def _train_epoch(
    training: Training,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    load: CaseLoader,
    context: TrainContext,
    epoch: int,
) -> dict[str, float]:
    start = time.monotonic()
    recipe = training.recipe
    plan = epoch_plan(
        training.split.train, seed=training.seed, epoch=epoch, batch_size=recipe.batch_size
    )
    sums: dict[str, float] = {}
    scores: list[list[float]] = []
    for step, batch in enumerate(read_batches(plan, load, context.rank, context.world_size)):
        terms = module(batch.to(context.device), Moment(training.seed, epoch, step))
        scores += terms.pop("dsc").tolist()
        values = _global_values(terms, context.world_size)
        _require_finite(values["loss"], plan[step], epoch, step)
        optimiser.zero_grad(set_to_none=True)
        terms["loss"].backward()
        # DDP has made the gradients equal on all ranks: all stop, or none.
        _require_finite(_gradient_norm(module), plan[step], epoch, step)
        optimiser.step()
        sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
    record = {f"train/{name}": value / len(plan) for name, value in sums.items()}
    rows = [row for part in gather_objects(scores) for row in part]
    record["train/dsc"] = _organ_means("", torch.tensor(rows, dtype=torch.float64))[""]
    record["learning_rate"] = optimiser.param_groups[0]["lr"]
    return record | {"epoch": float(epoch + 1), "seconds/epoch": time.monotonic() - start}


def _global_values(terms: dict[str, Tensor], world_size: int) -> dict[str, float]:
    """Turn this rank's scaled shares into the values of the global batch."""
    names = sorted(terms)
    shares = torch.stack([terms[name].detach().double() for name in names])
    return dict(zip(names, (sum_over_ranks(shares) / world_size).tolist(), strict=True))


def _gradient_norm(module: nn.Module) -> float:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    return nn.utils.get_total_norm(gradients).item()


def _require_finite(value: float, cases: tuple[str, ...], epoch: int, step: int) -> None:
    if not math.isfinite(value):
        raise TrainingDivergedError(
            f"the loss or its gradient is {value} at epoch {epoch + 1}, step {step + 1}, "
            f"cases {', '.join(cases)}"
        )


def _set_learning_rate(
    optimiser: torch.optim.Optimizer, config: OptimiserConfig, epoch: int, epochs: int
) -> None:
    """Apply lr * (1 - epoch / epochs) ** power, once per epoch (section IV-B)."""
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * (1 - epoch / epochs) ** config.schedule_power


def _organ_means(prefix: str, rows: Tensor) -> dict[str, float]:
    """Average over cases per organ, then over organs; organs absent everywhere are left out."""
    organs = rows[:, 1:].nanmean(0).tolist()
    named = dict(zip(ORGANS, organs, strict=False))
    present = {organ: value for organ, value in named.items() if math.isfinite(value)}
    mean = sum(present.values()) / max(len(present), 1)
    return {prefix: mean} | {f"{prefix}/{organ}": value for organ, value in present.items()}
