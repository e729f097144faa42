"""Every run's newest epoch in Ray's own metrics, for the Prometheus that watches a cluster."""

from collections.abc import Callable

from ray.util.metrics import Gauge

from voxsiam.orchestration.cluster.ray_instance import joins_cluster
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.training.batch import epoch_plan
from voxsiam.training.context import Record
from voxsiam.training.usage import DEVICE_MB, SECONDS

Reading = Callable[[PlannedRun, Record], float | None]

TAGS = ("study", "row", "seed")
RUNNING = "voxsiam_running"
READINGS: dict[str, tuple[str, Reading]] = {
    "voxsiam_epoch": ("Epochs done", lambda _, record: record["epoch"]),
    "voxsiam_volumes_per_second": (
        "Training volumes a second, over all workers of the run, in its last epoch",
        lambda planned, record: _volumes(planned) / record[SECONDS] if SECONDS in record else None,
    ),
    "voxsiam_gpu_memory_bytes": (
        "Peak of the last epoch, of the worker that took most",
        lambda _, record: record[DEVICE_MB] * 1e6 if DEVICE_MB in record else None,
    ),
    "voxsiam_validation_dsc": (
        "Mean DSC of the inner validation cases",
        lambda _, record: record.get("validation/dsc"),
    ),
    "voxsiam_train_loss": ("Training loss", lambda _, record: record.get("train/loss")),
}


class ClusterMetrics:
    """A listener that sets gauges, tagged with study, row and seed.

    Ray calls them `ray_voxsiam_...` and keeps the last value of a run until its driver ends;
    `voxsiam_running` tells which runs are under way.
    """

    def __init__(self, study: str) -> None:
        self._study = study
        self._running = Gauge(RUNNING, "1 while the run is under way, then 0", TAGS)
        self._gauges = {name: Gauge(name, told, TAGS) for name, (told, _) in READINGS.items()}

    def run_started(self, planned: PlannedRun) -> None:
        """Show that it runs."""
        self._running.set(1, self._tags(planned))

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Show the epoch's figures; what was not measured is not set."""
        tags = self._tags(planned)
        for name, (_, read) in READINGS.items():
            self._gauges[name].set(read(planned, record), tags)

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Show that it runs no more."""
        self._running.set(0, self._tags(planned))

    def _tags(self, planned: PlannedRun) -> dict[str, str]:
        return {"study": self._study, "row": planned.row, "seed": str(planned.run.seed)}


def cluster_listeners(study: str) -> list[ClusterMetrics]:
    """Return what else is to hear of a study's trials: on our own Ray nobody watches."""
    return [ClusterMetrics(study)] if joins_cluster() else []


def _volumes(planned: PlannedRun) -> int:
    """Count the volumes of an epoch; every epoch has as many."""
    recipe, cases = planned.run.recipe, planned.run.split.train
    size, drop_last = recipe.batch_size, recipe.drop_last
    return sum(map(len, epoch_plan(cases, seed=0, epoch=0, batch_size=size, drop_last=drop_last)))
