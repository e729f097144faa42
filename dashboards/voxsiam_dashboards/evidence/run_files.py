"""The files of a tracked run, read so that each number is exactly what was written."""

from collections.abc import Callable
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.small_files import read_table
from voxsiam_dashboards.store.trial_files import SCORE_COLUMNS, read_cases

MANIFEST, INCIDENTS = "manifest.json", "incidents.txt"
CASES, EPOCHS, OVERLAY = "test/cases.csv", "test/epochs.csv", "test/overlay.npz"
NATIVE_PREDICTIONS = "test/native_predictions.npz"


def artifact_name(result: str) -> str:
    """Return where MLflow keeps a result of a run's folder."""
    return result if "/" in result else f"test/{result}"


def read_scores(path: Path) -> list[OrganScore]:
    """Read the lines of a cases.csv.

    Raises:
        UserError: It is missing, or holds what is no score.
    """
    cases = read_cases(path)
    try:
        # Column by column: line by line takes five times as long.
        columns = [_read_as(name)(cases[name].tolist()) for name in SCORE_COLUMNS]
        return [OrganScore(*line) for line in zip(*columns, strict=True)]
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{path.name} holds what is no score ({error!s:.80})",
            where=str(path),
            fix="train the row again: voxsiam study rerun",
        ) from None


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
        raise UserError(
            f"{path.name} holds what is no figure ({error!s:.80})",
            where=str(path),
            fix="train the row again: voxsiam study rerun",
        ) from None
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
        raise UserError(
            f"{path.name} cannot be read ({error!s:.120})",
            where=str(path),
            fix="train the row again: voxsiam study rerun",
        ) from None


def _read_as(column: str) -> Callable[[list], list]:
    """Tell how the values of a column become those of a score."""
    if column in ("case_id", "organ"):
        return lambda values: list(map(str, values))
    if column in ("missed", "missed_native"):
        return lambda values: list(map(_flag, values))
    if "_voxels" in column:
        return lambda values: list(map(int, values))
    return lambda values: list(map(float, values))


def _flag(value: object) -> bool:
    if value not in (True, False):
        raise ValueError(f"{value!s:.20} is neither True nor False")
    return bool(value)
