"""What MLflow is asked by: names of the experiment, of tags, figures and files of runs."""

from collections.abc import Mapping

from voxsiam.orchestration.runs.plan import RunState

EXPERIMENT = "voxsiam"
MODEL_FOLDER, MODEL_FILES = "model", ("model.json", "model.safetensors")

SOURCE_TAG = "voxsiam.source_run"
"""Of a run whose training belongs to another study: MLflow's name of the run that has it."""

PROGRESS: Mapping[str, RunState] = {"trials/finished": "finished", "trials/failed": "failed"}
"""Figures of the parent run: how many of its trials have ended so."""

WORKER_HOURS = "hours/trainings"
"""Figure of the parent run: time of its finished trials times workers, wherever they ran."""

STATUS = {
    "finished": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}

WORKSPACE_TAG = "voxsiam.workspace"
"""Identity of the workspace that has run a study last."""

OWNER_TAG, USER_TAG = "voxsiam.owner", "mlflow.user"
"""Who has run it; MLflow's page shows the latter."""

COMMIT_TAG = "mlflow.source.git.commit"
"""Commit that the code comes from."""

PLAN_TAG, MANIFEST_TAG, REPORT_TAG = (
    "voxsiam.plan_seal", "voxsiam.manifest_sha256", "voxsiam.report_sha256",
)  # fmt: skip
"""Seals: of a study's plan and of its report's, on its own run; of a run's manifest, on the run."""

RECIPE_FILE, SPLIT_FILE, ENVIRONMENT_FILE = (
    "config/recipe.json", "config/split.json", "config/environment.json",
)  # fmt: skip

STATE_TAG, ERROR_TAG = "voxsiam.state", "voxsiam.error"
INCIDENTS_TAG = "voxsiam.incidents"
TRIALS_FILE = "sweep/trials.json"
REPORT_FOLDER = "report"
