"""What a run is, exactly, how it is named, and where it stands in a study or a sweep."""

from pathlib import Path
from typing import Literal

from voxsiam.fingerprint import fingerprint
from voxsiam.small_files import read_text
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import PAPER_ORGANS, Frozen, Split
from voxsiam.volumes.preparation_config import PreparationConfig

RunState = Literal["pending", "running", "finished", "stopped", "failed", "interrupted", "lost"]
"""Where a trial stands; `stopped` is the end of one that fell behind the others of a sweep, `lost`
of one that had finished and whose result is not there any more."""


class RunData(Frozen):
    """The prepared volumes that a run sees.

    Attributes:
        fingerprint: Of the prepared set; it names the volumes and their preparation.
        kind: phantom, semi-synthetic or real.
        preparation: How a scan became a volume; a model needs it to be applied.
        organs: The classes of the volumes, in the order of their values.
    """

    fingerprint: str
    name: str
    kind: str
    preparation: PreparationConfig
    organs: tuple[str, ...] = PAPER_ORGANS


class RunPlan(Frozen):
    """What a run is, exactly.

    Attributes:
        directory: Where the run's files are kept, on storage that all workers see.
        taught: Organs that some training case shows; it follows from data and split.
    """

    recipe: Recipe
    seed: int
    split: Split
    data: RunData
    directory: Path
    taught: tuple[str, ...] = PAPER_ORGANS

    @property
    def run_id(self) -> str:
        """Name the run by all that could change its result."""
        return run_identity(self.recipe, self.seed, self.split, self.data.fingerprint)

    @property
    def checkpoints(self) -> Path:
        """Folder of the run's checkpoints."""
        return self.directory / "checkpoints"

    @property
    def result_file(self) -> Path:
        """Written last: where it exists, the run is finished."""
        return self.directory / "result.json"

    @property
    def manifest_file(self) -> Path:
        """What the run was and what came out, for whoever repeats or checks it."""
        return self.directory / "manifest.json"

    @property
    def error_file(self) -> Path:
        """Says why the last attempt failed."""
        return self.directory / "error.txt"

    @property
    def end_file(self) -> Path:
        """Says why the last attempt could not go on and why another would end alike."""
        return self.directory / "ended.txt"

    @property
    def incidents_file(self) -> Path:
        """What went wrong and was survived, a line each."""
        return self.directory / "incidents.txt"

    @property
    def heartbeats(self) -> Path:
        """Folder of what each rank says of itself while it runs."""
        return self.directory / "pulses"

    @property
    def stop_file(self) -> Path:
        """Asks workers to end with the epoch in progress; their checkpoint remains."""
        return self.directory / "stop"

    def failure(self) -> str | None:
        """Read why the last attempt failed; None where it did not, or died without a word."""
        return read_text(self.error_file) if self.error_file.exists() else None


class PlannedRun(Frozen):
    """One cell of a table: a row trained from one seed."""

    row: str
    run: RunPlan

    @property
    def name(self) -> str:
        """How people see the trial."""
        return f"{self.row}, seed {self.run.seed}"

    def in_folder(self, directory: Path) -> "PlannedRun":
        """Return the same with the run's files elsewhere."""
        run = self.run.model_copy(update={"directory": directory})
        return self.model_copy(update={"run": run})


def run_identity(
    recipe: Recipe,
    seed: int,
    split: Split,
    data_fingerprint: str,
    method_version: int = METHOD_VERSION,
) -> str:
    """Hash recipe, data, split, seed and the method's version."""
    return fingerprint(
        {
            "recipe": recipe.fingerprint(),
            "data": data_fingerprint,
            "split": split_fingerprint(split),
            "seed": seed,
            "method_version": method_version,
        }
    )


def split_fingerprint(split: Split) -> str:
    """Hash who stands on which side; the order within a side does not matter."""
    return fingerprint({side: sorted(ids) for side, ids in split.model_dump().items()})
