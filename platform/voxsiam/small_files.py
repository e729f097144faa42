"""Small files of text, JSON or a table: read with limits that are known before they are parsed.

A megabyte of text can stand for gigabytes: short lines under a hundred thousand columns, a
million names, lists inside lists. Each limit is far above what anybody writes by intention.
"""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from voxsiam.regular_files import read_regular


class Limits(NamedTuple):
    """How much a JSON file may hold."""

    most_bytes: int
    most_values: int


SMALL = Limits(16 * 2**20, 100_000)
LARGE = Limits(256 * 2**20, 4_000_000)
"""A ledger of thousands of runs, figures of thousands of epochs, a set of thousands of cases."""

MOST_DEPTH = 32
MOST_COLUMNS, MOST_CELLS = 1000, 1_000_000
_TOO_DEEP = f"it is nested deeper than {MOST_DEPTH} levels"
_TOO_MANY_CELLS = f"it holds more than {MOST_CELLS:,} cells"


def read_text(path: Path, most_bytes: int = SMALL.most_bytes) -> str:
    """Read UTF-8 text.

    Raises:
        OSError: The file is absent, no regular file, or larger.
        ValueError: It is no such text.
    """
    return read_regular(path, most_bytes).decode("utf-8-sig")


def read_json_bytes(path: Path, limits: Limits = SMALL) -> bytes:
    """Read JSON that is still to be parsed, and may be: it is not too much for that.

    Raises:
        OSError: The file is absent, no regular file, or larger.
        ValueError: It has more values.
    """
    content = read_regular(path, limits.most_bytes)
    require_few_values(content, limits)
    return content


def require_few_values(content: bytes, limits: Limits = SMALL) -> None:
    """Refuse JSON that is small as text and large as values: `[[],[],...]` grows twentyfold.

    Raises:
        ValueError: It has more values than the limit.
    """
    # Commas inside of texts count too: the limits leave room for them.
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > limits.most_values:
        raise ValueError(f"it holds more than {limits.most_values:,} values")


def read_json(path: Path, limits: Limits = SMALL) -> Any:  # noqa: ANN401
    """Read JSON.

    Raises:
        OSError: The file is absent, no regular file, or larger.
        ValueError: It is no JSON in UTF-8, names a value twice, or is too deep or too much.
    """
    content = read_json_bytes(path, limits)
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _require_shallow(value)
    return value


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a comma-separated table: the names in its first line, and a dictionary a line.

    What a line lacks is empty, and what stands behind its last column is left out.

    Raises:
        OSError: The file is absent, no regular file, or larger.
        ValueError: It is no such text, or has too many columns or cells.
    """
    text = read_text(path)
    try:
        return _parsed(text)
    except csv.Error as error:
        raise ValueError(str(error)) from None


def require_few_cells(text: str) -> None:
    """Refuse a table that is small as text and large as cells.

    Raises:
        ValueError: It has too many columns or cells.
    """
    columns = text.partition("\n")[0].count(",") + 1
    if columns > MOST_COLUMNS:
        raise ValueError(f"it has {columns:,} columns, more than {MOST_COLUMNS:,}")
    if text.count(",") > MOST_CELLS:
        raise ValueError(_TOO_MANY_CELLS)


def _parsed(text: str) -> tuple[list[str], list[dict[str, str]]]:
    require_few_cells(text)
    lines = (line for line in csv.reader(io.StringIO(text, newline="")) if line)
    columns = next(lines, [])
    rows: list[dict[str, str]] = []
    for line in lines:
        rows.append(dict.fromkeys(columns, "") | dict(zip(columns, line, strict=False)))
        if len(rows) * len(columns) > MOST_CELLS:
            raise ValueError(_TOO_MANY_CELLS)
    return columns, rows


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = sorted(name for name, _ in pairs)
        twice = next(name for name, following in pairwise(names) if name == following)
        raise ValueError(f"the name {twice[:40]!r} occurs twice in one object")
    return content


def _require_shallow(value: object) -> None:
    """Refuse depths at which whoever walks through a value would end in a RecursionError."""
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _inside(value: object) -> list[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]
