"""Which cases each run of a study saw, as its files in MLflow say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.types import Split
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.store.trial_files import read_object


@dataclass(frozen=True)
class RunSplit:
    """One run and its cases."""

    row: str
    seed: int
    run_id: str
    split: Split


@dataclass(frozen=True)
class StudySplits:
    """The runs of a study, each with its cases.

    Attributes:
        runs: Sorted by row and seed; those whose file could not be read are left out.
        preparation: How scans became volumes, as plain JSON; empty before a run has finished.
        notes: What could not be read.
    """

    runs: tuple[RunSplit, ...]
    preparation: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> dict[str, Split]:
        """The split of each row: seeds of a row share one."""
        return {run.row: run.split for run in reversed(self.runs)}

    @property
    def widest(self) -> Split | None:
        """The split with the most training cases; None where there is none."""
        splits = (run.split for run in self.runs)
        return max(splits, key=lambda split: len(split.train), default=None)


def read_splits(tracking_uri: str, results: StudyResults) -> StudySplits:
    """Read the splits of a study; of runs with one split the file is read once."""
    reader, notes = RunReader(tracking_uri), []
    known: dict[str, Split] = {}
    runs: list[RunSplit] = []
    for trial in results.trials:
        name = trial.fingerprints.get("split") or trial.run_id
        run = None if name in known else reader.find(trial.run_id)
        read = run and reader.read(run, "config/split.json", _split_of, notes)
        split = read or known.get(name)
        if split is not None:
            known[name] = split
            runs.append(RunSplit(trial.row, trial.seed, trial.run_id, split))
    return StudySplits(tuple(runs), _preparation(reader, results), tuple(notes))


def _split_of(path: Path) -> Split:
    try:
        return Split.model_validate(read_object(path))
    except ValidationError:
        raise UserError(
            f"{path.name} holds no split",
            where=str(path),
            fix="train the row again: voxsiam study rerun",
        ) from None


def _preparation(reader: RunReader, results: StudyResults) -> dict[str, Any]:
    """Read from the manifest of a finished run how its volumes were prepared."""
    for trial in results.trials:
        run = reader.find(trial.run_id) if trial.finished else None
        manifest = reader.read(run, "manifest.json", read_object) if run else None
        data = (manifest or {}).get("data")
        found = data.get("preparation") if isinstance(data, dict) else None
        if isinstance(found, dict):
            return found
    return {}
