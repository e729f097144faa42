"""The studies and sweeps of a store, and how far each is: read from runs alone, without a file."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from mlflow.entities import Run

from voxsiam.orchestration.tracking.names import OWNER_TAG, PROGRESS, WORKER_HOURS
from voxsiam.orchestration.tracking.reader import RunReader, tags_of
from voxsiam_dashboards.store.study_reading import one_per_seed

Kind = Literal["study", "sweep"]
State = Literal["running", "finished", "failed", "stopped"]
STATES: dict[str, State] = {
    "RUNNING": "running",
    "SCHEDULED": "running",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "stopped",
}

Runs = list[Run]

RUNS_KEPT = 4096

WHOLE_S = 600.0
"""After so long all runs are read again: one that was deleted is not told of otherwise."""

_MARGIN_MS = 60_000
"""What ended so long before the newest is asked for once more: clocks of machines differ."""


@dataclass(frozen=True)
class StudyEntry:
    """A study or a sweep, as a list shows it.

    Attributes:
        run_id: MLflow's name of its own run.
        name: On the command line.
        planned: Trainings that were asked for; None where it does not say.
        finished: Of them, have ended well; None where that was not told.
        worker_hours: Time of the finished ones, times workers.
        data: Fingerprint of its data.
        owner: Who has run it first; empty where that was not told.
    """

    kind: Kind
    run_id: str
    experiment_id: str
    study_id: str
    name: str
    preset: str
    state: State
    planned: int | None
    finished: int | None
    failed: int
    worker_hours: float | None
    started: datetime
    data_name: str
    data: str
    owner: str = ""


@dataclass(frozen=True)
class TrialProgress:
    """A training, as far as it is.

    Attributes:
        epoch: Epochs done, of the `epochs` that were asked for; None where that is not told.
        dsc: Of the test cases where it is `tested`, else of the validation cases.
        left_s: Time that the rest will take at the pace of its last epoch.
        incidents: What was survived, counted.
    """

    row: str
    seed: int
    run_id: str
    state: State
    epoch: int
    epochs: int | None
    loss: float | None
    dsc: float | None
    tested: bool
    left_s: float | None
    error: str
    incidents: int


def list_studies(reader: RunReader) -> list[StudyEntry]:
    """List studies and sweeps, the newest first."""
    kinds: tuple[Kind, ...] = ("study", "sweep")
    conditions = (f"tags.`voxsiam.kind` = '{kind}'" for kind in kinds)
    entries = [_entry(run) for run in reader.search(*conditions, in_order=False)]
    return sorted(entries, key=lambda entry: entry.started, reverse=True)


def progress_of(runs: Iterable[Run]) -> list[TrialProgress]:
    """Tell by row and seed how far the trainings are whose runs these are, the newest first."""
    chosen = one_per_seed(runs, [])
    return [_progress(chosen[key]) for key in sorted(chosen)]


def _entry(run: Run) -> StudyEntry:
    metrics = run.data.metrics
    told = tags_of(run, ("study_id", "study", "preset", "data_name", "data", "trials"))
    finished, failed = (_count(metrics.get(name)) for name in PROGRESS)
    return StudyEntry(
        kind="sweep" if run.data.tags["voxsiam.kind"] == "sweep" else "study",
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        study_id=told["study_id"],
        name=told["study"],
        preset=told["preset"],
        state=STATES.get(run.info.status, "stopped"),
        planned=_count_of(told["trials"]),
        finished=finished,
        failed=failed or 0,
        worker_hours=metrics.get(WORKER_HOURS),
        started=datetime.fromtimestamp((run.info.start_time or 0) / 1000, UTC),
        data_name=told["data_name"],
        data=told["data"],
        owner=run.data.tags.get(OWNER_TAG, ""),
    )


@lru_cache(maxsize=RUNS_KEPT)
def _progress(run: Run) -> TrialProgress:
    """Read a run once: one that has ended stays the same object from tick to tick."""
    tags, metrics, params = run.data.tags, run.data.metrics, run.data.params
    state = STATES.get(run.info.status, "stopped")
    epochs = _count_of(params.get("epochs", ""))
    epoch = _count(metrics.get("epoch")) or 0
    pace = metrics.get("seconds/epoch")
    test, validation = metrics.get("test/dsc"), metrics.get("validation/dsc")
    left = None if epochs is None or pace is None else max(0, epochs - epoch) * pace
    return TrialProgress(
        row=tags["voxsiam.row"],
        seed=int(tags["voxsiam.seed"]),
        run_id=run.info.run_id,
        state=state,
        epoch=epoch,
        epochs=epochs,
        loss=metrics.get("train/loss"),
        dsc=validation if test is None else test,
        tested=test is not None,
        left_s=left if state == "running" else None,
        error=tags.get("voxsiam.error", ""),
        incidents=_count_of(tags.get("voxsiam.incidents", "")) or 0,
    )


def _count(value: float | None) -> int | None:
    return None if value is None or not 0 <= value < 1e12 else int(value)


def _count_of(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


class LiveRuns:
    """The trainings of a study or sweep: asked again, only what may have changed is read."""

    def __init__(self, reader: RunReader, parent_run_id: str) -> None:
        self._reader, self._of_study = reader, f"tags.`mlflow.parentRunId` = '{parent_run_id}'"
        self._runs: dict[str, Run] = {}
        self._whole_at = -WHOLE_S

    def read(self) -> Runs:
        """Return them, the newest first."""
        if not self._runs or time.monotonic() - self._whole_at >= WHOLE_S:
            found = {run.info.run_id: run for run in self._reader.search(self._of_study)}
            self._runs, self._whole_at = found, time.monotonic()
        else:
            self._runs = self._with_changes(self._runs)
        return sorted(
            self._runs.values(), key=lambda run: (-(run.info.start_time or 0), run.info.run_id)
        )

    def _with_changes(self, known: dict[str, Run]) -> dict[str, Run]:
        """Read those that run, those that have run until now, and those that ended since."""
        newest = max(run.info.end_time or 0 for run in known.values())
        ended = f"attributes.end_time >= {max(0, newest - _MARGIN_MS)}"
        asked = ("attributes.status = 'RUNNING'", *([ended] if newest else []))
        conditions = (f"{self._of_study} and {condition}" for condition in asked)
        found = {run.info.run_id: run for run in self._reader.search(*conditions, in_order=False)}
        ran = [name for name, run in known.items() if run.info.status == "RUNNING"]
        gone = [self._reader.find(name) for name in ran if name not in found]
        found |= {run.info.run_id: run for run in gone if run is not None}
        return {
            name: run
            for name, run in (known | found).items()
            if run.info.lifecycle_stage == "active"
        }
