"""A file of the user's own that declares a study: code, run because its name was given.

Only the table that it declares goes on from here, as data; nothing that is stored names the file as
something to run.
"""

import re
import signal
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from pydantic import ValidationError

from voxsiam.errors import UserError, is_stop
from voxsiam.orchestration.studies.table import Table
from voxsiam.regular_files import read_regular
from voxsiam_experiments.studies import FINAL, STUDIES
from voxsiam_experiments.sweeps import SWEEPS, Sweep

Declared = TypeVar("Declared", Table, Sweep)
ENDING = ".py"
LONGEST_S = 30.0
_MOST_BYTES = 2**20
_FIX = "mend the file; voxsiam study new FILE.py writes one that runs"


class _TooLongError(Exception):
    """A file has not ended in time."""


def load_table(path: Path) -> Table:
    """Run a study file and return the table that it declares.

    Raises:
        UserError: The file cannot be read or run, takes too long, or declares no table, two, or
            one that does not hold together.
    """
    tables = _declared(path, Table, STUDIES.values())
    if len(tables) != 1:
        names = ", ".join(f"'{table.name}'" for table in tables)
        what = f"it declares {len(tables)} tables: {names}" if tables else "it declares no table"
        fix = (
            "keep one a file"
            if tables
            else "add one: TABLE = Table(name=..., title=..., rows=(...))"
        )
        raise UserError(what, where=str(path), fix=fix)
    (table,) = tables
    if table.name in STUDIES or table.name.startswith((FINAL, "train-")):
        raise UserError(
            f"the name '{table.name}' is taken by a study of the program",
            where=str(path),
            fix="give the table another name",
        )
    return table.model_copy(update={"file": path.name})


def load_sweep(path: Path) -> Sweep:
    """Run a file and return the sweep that it declares, beside a table or alone.

    Raises:
        UserError: As `load_table`.
    """
    sweeps = _declared(path, Sweep, SWEEPS.values())
    if len(sweeps) != 1:
        names = ", ".join(f"'{sweep.name}'" for sweep in sweeps)
        raise UserError(
            f"it declares {len(sweeps) or 'no'} sweep{'s: ' + names if sweeps else ''}",
            where=str(path),
            fix="declare one: SWEEP = Sweep(name=..., title=..., settings=(...), recipe=...)",
        )
    (sweep,) = sweeps
    if sweep.name in SWEEPS:
        raise UserError(
            f"the name '{sweep.name}' is taken by a sweep of the program",
            where=str(path),
            fix="give the sweep another name",
        )
    return sweep.model_copy(update={"file": path.name})


def _declared(path: Path, kind: type[Declared], known: Collection[Declared]) -> list[Declared]:
    """Run a file and return what it declares of a kind; what it has imported from us is not."""
    found = {id(each): each for each in _run(path).values() if isinstance(each, kind)}
    return [each for each in found.values() if each not in known]


def _run(path: Path) -> dict[str, Any]:
    """Run a file to its end and return what it has defined."""
    try:
        source = read_regular(path, _MOST_BYTES)
        code = compile(source, str(path), "exec")
    except OSError as error:
        what = f"the study file cannot be read ({error.strerror or error})"
        raise UserError(what, where=str(path), fix="check the path") from None
    except (SyntaxError, ValueError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        told = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(f"{line}{told!s:.120}", where=str(path), fix=_FIX) from None
    defined: dict[str, Any] = {"__name__": "voxsiam_study_file", "__file__": str(path)}
    try:
        with _ended_after(LONGEST_S):
            exec(code, defined)  # noqa: S102
    except _TooLongError:
        raise UserError(
            f"the study file has not ended after {LONGEST_S:g} s",
            where=str(path),
            fix="declare only: what takes long belongs into a recipe or the data",
        ) from None
    except BaseException as error:
        if is_stop(error) and not isinstance(error, SystemExit):
            raise
        raise UserError(_told(error, path), where=str(path), fix=_FIX) from None
    return defined


def _told(error: BaseException, path: Path) -> str:
    """Say in a line what went wrong, and in which line of the file."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f"line {one.lineno}: " for one in frames[::-1] if one.filename == str(path)), "")
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        told = f"{error.title}: {place}: {message}" if place else f"{error.title}: {message}"
        if place == "recipe":
            told += " (call it: recipe=voxel_simsiam())"
    else:
        told = f"{type(error).__name__}: {error}"
    return f"{line}{' '.join(told.split())}"[:300]


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Interrupt what has not ended by then; in the main thread, where commands run."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def write_example(path: Path) -> None:
    """Write a commented file that declares a study, named after the file.

    Raises:
        UserError: Something is there already, or the name is none for a study.
    """
    name = path.stem
    if path.suffix != ENDING or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,50}", name):
        raise UserError(
            f"'{path.name}' is no name for a study file",
            where="voxsiam study new",
            fix="give one of letters, numbers and _ that ends in .py: my_study.py",
        )
    text = resources.files("voxsiam_experiments").joinpath("own_study.py").read_text("utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("my_study", name))
    except OSError as error:
        raise UserError(
            f"the file cannot be written ({error.strerror})", where=str(path), fix="name a new file"
        ) from None
