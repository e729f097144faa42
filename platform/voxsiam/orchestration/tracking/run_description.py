"""What MLflow is told of a study and of each of its runs before anything has come out.

It follows from the plan alone, so that whoever checks a store can compute it again.
"""

from voxsiam.fingerprint import flatten
from voxsiam.orchestration.runs.plan import split_fingerprint
from voxsiam.orchestration.runs.planned_run import PlannedRun
from voxsiam.orchestration.tracking.names import PLAN_TAG
from voxsiam.orchestration.tracking.parent_run import ParentRun
from voxsiam.training.recipe import METHOD_VERSION, Recipe


def run_params(planned: PlannedRun, workers: int) -> dict[str, str]:
    """Return the parameters of a run: the whole recipe, flat, with seed, row and workers."""
    recipe = planned.run.recipe.model_dump(mode="json")
    found = flatten(recipe) | {"seed": planned.run.seed, "row": planned.row, "workers": workers}
    return {name: str(value) for name, value in found.items()}


def run_tags(planned: PlannedRun, parent_run: ParentRun) -> dict[str, str]:
    """Return the tags of a run, but for the commit and for what becomes of it."""
    run = planned.run
    return trial_tags(planned, parent_run.name, parent_run.preset) | {
        "voxsiam.kind": "trial",
        "voxsiam.row": planned.row,
        "voxsiam.run": run.run_id,
        "voxsiam.study": parent_run.name,
        "voxsiam.seed": str(run.seed),
        "voxsiam.recipe": run.recipe.fingerprint(),
        "voxsiam.data": run.data.fingerprint,
        "voxsiam.split": split_fingerprint(run.split),
        "voxsiam.method_version": str(METHOD_VERSION),
    }


def parent_tags(parent_run: ParentRun) -> dict[str, str]:
    """Return the tags of the run of a study or sweep itself, but for the commit."""
    tags = {
        "voxsiam.kind": parent_run.kind,
        "voxsiam.study_id": parent_run.request_id,
        "voxsiam.study": parent_run.name,
        "voxsiam.preset": parent_run.preset,
        "voxsiam.data": parent_run.data.fingerprint,
        "voxsiam.data_name": parent_run.data.name,
        "voxsiam.split": split_fingerprint(parent_run.split),
        "mlflow.note.content": parent_run.note,
    }
    if parent_run.trials is not None:
        tags["voxsiam.trials"] = str(parent_run.trials)
    if parent_run.seal is not None:
        tags[PLAN_TAG] = parent_run.seal
    return tags


def trial_tags(planned: PlannedRun, study: str, preset: str) -> dict[str, str]:
    """Name what a reader filters by and MLflow's parameters do not hold.

    Args:
        study: Name of its study or sweep.
        preset: tiny, mini or paper.
    """
    run = planned.run
    return {
        "voxsiam.preset": preset,
        "voxsiam.data_name": run.data.name,
        "voxsiam.data_kind": run.data.kind,
        "voxsiam.method": _method(run.recipe),
        "voxsiam.train_cases": str(len(run.split.train)),
        "mlflow.note.content": (
            f"**{planned.row}**, seed {run.seed} of **{study}** ({preset}): "
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
