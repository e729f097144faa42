"""Find studies and runs in MLflow; no pickle, no download of weights."""

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

EXPERIMENT = "voxsiam"


def find_run(client: MlflowClient, experiment_id: str, tags: dict[str, str]) -> Run | None:
    """Return the newest run that carries all of these tags."""
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found = client.search_runs([experiment_id], condition, max_results=1)
    return found[0] if found else None
