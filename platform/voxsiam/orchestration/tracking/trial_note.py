"""What a trial's run says of itself in MLflow's list: tags to filter by, and a description."""

from voxsiam.orchestration.studies.ledger import TrialPlan
from voxsiam.training.recipe import Recipe


def trial_tags(trial: TrialPlan, study: str, preset: str) -> dict[str, str]:
    """Name what a reader filters by and MLflow's parameters do not hold.

    Args:
        trial: The trial.
        study: Name of its study or sweep.
        preset: tiny, mini or paper.
    """
    run = trial.run
    return {
        "voxsiam.preset": preset,
        "voxsiam.data_name": run.data.name,
        "voxsiam.data_kind": run.data.kind,
        "voxsiam.method": _method(run.recipe),
        "voxsiam.train_cases": str(len(run.split.train)),
        "mlflow.note.content": (
            f"**{trial.row}**, seed {run.seed} of **{study}** ({preset}): "
            f"{_what(run.recipe)}, {run.recipe.epochs} epochs on {len(run.split.train)} training "
            f"cases of {run.data.name} ({run.data.kind}), tested on {len(run.split.test)}."
        ),
    }


def _method(recipe: Recipe) -> str:
    """Name the loss on features, or its absence."""
    return recipe.feature_loss.relation.name if recipe.feature_loss else "none"


def _what(recipe: Recipe) -> str:
    loss, network = recipe.feature_loss, recipe.network.name
    if loss is None:
        return f"{network} without a feature loss"
    return f"{network} with {loss.relation.name} on {loss.layers} layers, weight {loss.weight:g}"
