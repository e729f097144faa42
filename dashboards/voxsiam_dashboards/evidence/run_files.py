"""The files of a tracked run, read so that each number is exactly what was written."""

from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.small_files import read_table
from voxsiam_dashboards.store.trial_files import read_cases

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
    try:
        return [_score(line) for line in read_cases(path).to_dict("records")]
    except (TypeError, ValueError) as error:
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


def _score(line: dict) -> OrganScore:
    numbers = {name: float(value) for name, value in line.items() if name not in _OTHER}
    counts = {name: int(line[name]) for name in line if name.find("_voxels") > 0}
    flags = {name: _flag(line[name]) for name in ("missed", "missed_native")}
    names = {"case_id": str(line["case_id"]), "organ": str(line["organ"])}
    return OrganScore(**{**numbers, **names, **counts, **flags})


_OTHER = ("case_id", "organ", "missed", "missed_native")


def _flag(value: object) -> bool:
    if value not in (True, False):
        raise ValueError(f"{value!s:.20} is neither True nor False")
    return bool(value)
