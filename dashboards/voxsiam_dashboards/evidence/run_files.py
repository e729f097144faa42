"""The files of a tracked run, read so that each number is exactly what was written."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_type_hints

from voxsiam.errors import UserError
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.small_files import read_table
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.store.trial_files import read_cases

MANIFEST, INCIDENTS = "manifest.json", "incidents.txt"
CASES, EPOCHS, OVERLAY = "test/cases.csv", "test/epochs.csv", "test/overlay.npz"
NATIVE_PREDICTIONS = "test/native_predictions.npz"


def read_scores(path: Path, organs: Sequence[str] = PAPER_ORGANS) -> list[OrganScore]:
    """Read the lines of a cases.csv, which are of these organs.

    Raises:
        UserError: It is missing, or holds what is no score.
    """
    cases = read_cases(path, organs)
    try:
        # Column by column: line by line takes five times as long.
        columns = [
            list(map(_flag if kind is bool else kind, cases[name].tolist()))
            for name, kind in get_type_hints(OrganScore).items()
        ]
        return [OrganScore(*line) for line in zip(*columns, strict=True)]
    except (TypeError, ValueError, OverflowError) as error:
        raise _refused(path, f"holds what is no score ({error!s:.80})") from None


def read_epochs(path: Path) -> dict[str, dict[int, float]]:
    """Read the figures of every epoch, by name and epoch.

    Raises:
        UserError: It holds what is no figure.
    """
    found: dict[str, dict[int, float]] = {}
    try:
        for line in _lines(path):
            epoch = int(float(line["epoch"]))
            for name, value in line.items():
                if value:
                    found.setdefault(name, {})[epoch] = float(value)
    except (ValueError, KeyError, OverflowError) as error:
        raise _refused(path, f"holds what is no figure ({error!s:.80})") from None
    return found


def read_lines(path: Path) -> dict[str, str]:
    """Read every cell of a cases.csv as it stands there, by case, organ and column."""
    return {
        f"case {line.get('case_id')}, {line.get('organ')}, {column}": value
        for line in _lines(path)
        for column, value in line.items()
    }


def _lines(path: Path) -> list[dict[str, str]]:
    try:
        return read_table(path)[1]
    except (OSError, ValueError) as error:
        raise _refused(path, f"cannot be read ({error!s:.120})") from None


def _refused(path: Path, why: str) -> UserError:
    fix = "train the row again: voxsiam study rerun"
    return UserError(f"{path.name} {why}", where=str(path), fix=fix)


def _flag(value: object) -> bool:
    if value not in (True, False):
        raise ValueError(f"{value!s:.20} is neither True nor False")
    return bool(value)
