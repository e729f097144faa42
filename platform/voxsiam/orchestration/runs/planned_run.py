"""One planned run of a study or a sweep, and where it stands."""

from typing import Literal

from voxsiam.orchestration.runs.plan import RunPlan
from voxsiam.types import Frozen

RunState = Literal["pending", "running", "finished", "stopped", "failed", "interrupted", "lost"]
"""Where a trial stands; `stopped` is the end of one that fell behind the others of a sweep, `lost`
of one that had finished and whose result is not there any more."""


class PlannedRun(Frozen):
    """One cell of a table: a row trained from one seed."""

    row: str
    run: RunPlan

    @property
    def name(self) -> str:
        """How people see the trial."""
        return f"{self.row}, seed {self.run.seed}"
