"""Small text files that come with a data set: read with a limit, never trusted."""

import csv
import json
from pathlib import Path

from voxsiam.errors import UserError

MAX_BYTES = 16 * 2**20


def read_text(path: Path) -> str:
    """Read UTF-8 text of at most 16 MiB."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UserError(
                "The file is larger than 16 MiB.", where=str(path), fix="give the right file"
            )
        return raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The file cannot be read as UTF-8 text ({error}).",
            where=str(path),
            fix="check its permissions and save it as UTF-8",
        ) from error


def read_json_object(path: Path) -> dict[str, object]:
    """Read a JSON file whose outermost value is an object."""
    try:
        value = json.loads(read_text(path), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"The file is not JSON ({error}).", where=str(path), fix="mend it at that place"
        ) from error
    if not isinstance(value, dict):
        raise UserError("The file holds no JSON object.", where=str(path), fix='begin it with "{"')
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:40]!r} occurs twice in one object")
    return content


def read_csv_rows(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a comma-separated table that has at least the required columns, all filled."""
    reader = csv.DictReader(read_text(path).splitlines())
    try:
        rows = [
            {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
            for row in reader
        ]
    except csv.Error as error:
        raise UserError(
            f"The file is not a table ({error}).", where=str(path), fix="save it as plain CSV"
        ) from error
    absent = [name for name in required if name not in (reader.fieldnames or ())]
    if absent:
        raise UserError(
            f"The table lacks the column '{absent[0]}'.",
            where=str(path),
            fix=f"its first line must name the columns {', '.join(required)}, split by commas",
        )
    for number, row in enumerate(rows, start=2):
        if not all(row.get(name) for name in required):
            raise UserError(
                f"Line {number} leaves a column empty.", where=str(path), fix="fill it in"
            )
    return rows
