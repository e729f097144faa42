"""The training loop: plain PyTorch, the same on one process and on many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from voxsiam.collective import gather_objects
from voxsiam.errors import UserError
from voxsiam.losses.partial_labels import merge_unannotated
from voxsiam.metrics.confusion import dice_per_class
from voxsiam.models.network import evaluating
from voxsiam.training.augmentation import augment_batch
from voxsiam.training.batch import (
    CaseLoader,
    Moment,
    annotated_classes,
    epoch_plan,
    rank_part,
    read_batches,
)
from voxsiam.training.checkpoint import (
    CheckpointFolder,
    CheckpointUnwrittenError,
    TrainingState,
    restore,
)
from voxsiam.training.context import TrainContext
from voxsiam.training.epoch_record import (
    EpochRecord,
    gradient_norms,
    organ_means,
    require_finite_gradient,
    require_finite_loss,
)
from voxsiam.training.objective import Objective, run_network
from voxsiam.training.recipe import OptimiserConfig, Recipe
from voxsiam.training.usage import EpochUsage
from voxsiam.types import PAPER_ORGANS, Split

Records = tuple[dict[str, float], ...]


@dataclass(frozen=True)
class Training:
    """One training, all of it: what, on which cases, from which seed, and where it is kept.

    Attributes:
        checkpoints: Folder that all ranks see.
        organs: The classes of the cases.
    """

    run_id: str
    recipe: Recipe
    seed: int
    split: Split
    checkpoints: Path
    organs: tuple[str, ...] = PAPER_ORGANS


def fit(training: Training, load: CaseLoader, context: TrainContext) -> tuple[Objective, Records]:
    """Train to the recipe's last epoch, from the newest checkpoint where there is one.

    Resuming gives what the unbroken run gives: the order of cases and the draw of voxels follow
    from (seed, epoch, step) alone, and the rest is in the checkpoint.

    Returns:
        The trained module on the context's device, and the figures of every epoch.

    Raises:
        TrainingDivergedError: The loss of a step or its gradient is not finite, on whichever rank;
            all ranks raise it, it names the cases, and that epoch leaves no checkpoint.
        CheckpointUnwrittenError: On all ranks; the checkpoints before it are kept.
        CheckpointUnseenError: On all ranks; one of them does not see what the first goes on from.
    """
    recipe, folder = training.recipe, CheckpointFolder(training.checkpoints, context.note)
    objective = build_objective(recipe, training.seed, context.device)
    optimiser = build_optimiser(objective, recipe.optimiser)
    state = TrainingState(epochs_done=0, run_id=training.run_id, records=())
    found = folder.newest_for_all(training.run_id, context.rank)
    if found is not None:
        restore(found[0], objective, optimiser)
        state = found[1]
    module = context.distribute(objective)
    for record in state.records[-1:]:
        # A worker group that was restarted must report at least once, or its run ends without.
        context.report(record)
    for epoch in range(state.epochs_done, recipe.epochs):
        record = _train_epoch(training, module, optimiser, load, context, epoch)
        validation = training.split.validation
        record |= score_cases(objective, validation, load, context, training.organs)
        state = TrainingState(epoch + 1, training.run_id, (*state.records, record))
        _save(folder, state, objective, optimiser, context)
        context.report(record)
    return objective, state.records


def _save(
    folder: CheckpointFolder,
    state: TrainingState,
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    context: TrainContext,
) -> None:
    """Let the first rank write; where it cannot, all ranks end and know why."""
    trouble = None
    if context.rank == 0:
        try:
            folder.save(state, objective, optimiser)
        except CheckpointUnwrittenError as error:
            trouble = str(error)
    trouble = gather_objects(trouble)[0]
    if trouble is not None:
        raise CheckpointUnwrittenError(trouble)


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


def build_optimiser(objective: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Build Adam; its weight decay is the L2 term, as the paper's framework had it."""
    build = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return build(
        objective.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate(config: OptimiserConfig, done: float) -> float:
    """Return lr * (1 - done) ** power (section IV-B).

    Args:
        done: Share of the training that is over, in [0, 1).
    """
    return config.learning_rate * (1 - done) ** config.schedule_power


def score_cases(
    objective: Objective,
    case_ids: Iterable[str],
    load: CaseLoader,
    context: TrainContext,
    organs: Sequence[str] = PAPER_ORGANS,
) -> dict[str, float]:
    """Score the inner validation cases, shared out over ranks: mean Dice per organ and overall."""
    cases = tuple(case_ids)
    if not cases:
        return {}
    mine = []
    with evaluating(objective.network):
        for case_id in rank_part(cases, context.rank, context.world_size):
            volume = load(case_id)
            image = torch.from_numpy(volume.image)[None, None].float().to(context.device)
            label = torch.from_numpy(volume.label)[None].to(context.device)
            with torch.inference_mode():
                logits, _ = run_network(objective.network, image, objective.numerics)
                annotated = annotated_classes([volume])
                if annotated is not None:
                    logits = merge_unannotated(logits, annotated.to(context.device))
                dsc = dice_per_class(logits.argmax(1), label, objective.num_classes)
            mine.append(dsc[0].tolist())
    rows = [row for part in gather_objects(mine) for row in part]
    return organ_means("validation/dsc", rows, organs)


def _train_epoch(
    training: Training,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    load: CaseLoader,
    context: TrainContext,
    epoch: int,
) -> dict[str, float]:
    usage = EpochUsage(context.device)
    recipe, seed = training.recipe, training.seed
    plan = epoch_plan(
        training.split.train,
        seed=seed,
        epoch=epoch,
        batch_size=recipe.batch_size,
        drop_last=recipe.drop_last,
    )
    record = EpochRecord(context.world_size, training.organs)
    pin = context.device.type == "cuda"
    batches = read_batches(plan, load, context.rank, context.world_size, pin=pin)
    for step, batch in enumerate(batches):
        context.begin_step(epoch, step)
        _set_learning_rate(optimiser, recipe, epoch, step / len(plan))
        moment = Moment(seed, epoch, step)
        on_device = batch.to(context.device)
        if recipe.augmentation is not None:
            on_device = augment_batch(on_device, recipe.augmentation, seed, epoch)
        outcome = module(on_device, moment)
        values = record.global_values(outcome)
        require_finite_loss(values["loss"], outcome, batch, plan[step], moment)
        optimiser.zero_grad(set_to_none=True)
        outcome.loss.backward()
        if recipe.warms_up(epoch):
            _leave_heads_alone(module)
        norms = gradient_norms(module)
        # DDP has made the gradients equal on all ranks: all stop, or none.
        require_finite_gradient(norms["gradient_norm"], plan[step], moment)
        optimiser.step()
        record.add(values | norms, outcome)
    figures = record.means() | {"learning_rate": optimiser.param_groups[0]["lr"]}
    return figures | {"epoch": float(epoch + 1)} | usage.figures()


def _leave_heads_alone(module: nn.Module) -> None:
    """Drop a gradient of zeros: weight decay would shrink heads that learn nothing yet."""
    for name, parameter in module.named_parameters():
        if "heads." in name:
            parameter.grad = None


def _set_learning_rate(
    optimiser: torch.optim.Optimizer, recipe: Recipe, epoch: int, share_of_epoch: float
) -> None:
    within = share_of_epoch if recipe.optimiser.schedule_unit == "step" else 0.0
    rate = learning_rate(recipe.optimiser, (epoch + within) / recipe.epochs)
    for group in optimiser.param_groups:
        group["lr"] = rate
