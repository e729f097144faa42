"""What MLflow is told of a study and of each of its runs before anything has come out.

It follows from the plan alone, so that whoever checks a store can compute it again.
"""

from voxsiam.fingerprint import flatten
from voxsiam.orchestration.runs.plan import split_fingerprint
from voxsiam.orchestration.runs.trial_plan import TrialPlan
from voxsiam.orchestration.tracking.names import PLAN_TAG
from voxsiam.orchestration.tracking.tracked_job import TrackedJob
from voxsiam.training.recipe import METHOD_VERSION, Recipe


def run_params(trial: TrialPlan, workers: int) -> dict[str, str]:
    """Return the parameters of a run: the whole recipe, flat, with seed, row and workers."""
    recipe = trial.run.recipe.model_dump(mode="json")
    found = flatten(recipe) | {"seed": trial.run.seed, "row": trial.row, "workers": workers}
    return {name: str(value) for name, value in found.items()}


def run_tags(trial: TrialPlan, job: TrackedJob) -> dict[str, str]:
    """Return the tags of a run, but for the commit and for what becomes of it."""
    run = trial.run
    return trial_tags(trial, job.name, job.preset) | {
        "voxsiam.kind": "trial",
        "voxsiam.row": trial.row,
        "voxsiam.run": run.run_id,
        "voxsiam.study": job.name,
        "voxsiam.seed": str(run.seed),
        "voxsiam.recipe": run.recipe.fingerprint(),
        "voxsiam.data": run.data.fingerprint,
        "voxsiam.split": split_fingerprint(run.split),
        "voxsiam.method_version": str(METHOD_VERSION),
    }


def job_tags(job: TrackedJob) -> dict[str, str]:
    """Return the tags of the run of a study or sweep itself, but for the commit."""
    tags = {
        "voxsiam.kind": job.kind,
        "voxsiam.study_id": job.job_id,
        "voxsiam.study": job.name,
        "voxsiam.preset": job.preset,
        "voxsiam.data": job.data.fingerprint,
        "voxsiam.data_name": job.data.name,
        "voxsiam.split": split_fingerprint(job.split),
        "mlflow.note.content": job.note,
    }
    if job.trials is not None:
        tags["voxsiam.trials"] = str(job.trials)
    if job.seal is not None:
        tags[PLAN_TAG] = job.seal
    return tags


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
