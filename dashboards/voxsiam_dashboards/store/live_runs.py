"""The runs of a study as they were last seen: asked again, only what may have changed is read."""

import time

from mlflow.entities import Run

from voxsiam.orchestration.tracking.reader import RunReader

Runs = list[Run]

WHOLE_S = 600.0
"""After so long all are read again: a run that was deleted is not told of otherwise."""

_MARGIN_MS = 60_000
"""What ended so long before the newest is asked for once more: clocks of machines differ."""


class LiveRuns:
    """The trainings of one study or sweep.

    Args:
        parent_run_id: MLflow's name of the study's own run.
    """

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
