"""Small text files that come with a data set: what is wrong with one is told to its owner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from voxsiam import small_files
from voxsiam.errors import UserError

Content = TypeVar("Content")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file, whatever its outermost value is."""
    return _read(path, small_files.read_json, "The file is not JSON", "mend it at that place")


def read_json_object(path: Path) -> dict[str, object]:
    """Read a JSON file whose outermost value is an object."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError("The file holds no JSON object.", where=str(path), fix='begin it with "{"')
    return value


def read_csv_rows(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a comma-separated table that has at least the required columns, all filled."""
    columns, rows = _read(
        path, small_files.read_table, "The file is not a table", "save it as plain CSV"
    )
    absent = [name for name in required if name not in columns]
    if absent:
        raise UserError(
            f"The table lacks the column '{absent[0]}'.",
            where=str(path),
            fix=f"its first line must name the columns {', '.join(required)}, split by commas",
        )
    rows = [{name: value.strip() for name, value in row.items()} for row in rows]
    for number, row in enumerate(rows, start=2):
        if not all(row.get(name) for name in required):
            raise UserError(
                f"Line {number} leaves a column empty.", where=str(path), fix="fill it in"
            )
    return rows


def _read(path: Path, read: Callable[[Path], Content], what: str, fix: str) -> Content:
    try:
        return read(path)
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise UserError(
            f"The file cannot be read as UTF-8 text ({cause}).",
            where=str(path),
            fix="check its permissions and save it as UTF-8",
        ) from error
    except ValueError as error:
        raise UserError(f"{what} ({error}).", where=str(path), fix=fix) from error
