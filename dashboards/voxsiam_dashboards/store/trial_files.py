"""The files a run leaves behind, read back with care: they may be missing, cut off or foreign."""

import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from pandas.api.types import is_numeric_dtype

from voxsiam.array_headers import HEADERS
from voxsiam.errors import UserError
from voxsiam.inference.voxel_features import LevelFeatures
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.regular_files import require_regular
from voxsiam.small_files import LARGE, read_json, read_text, require_few_cells
from voxsiam.types import PAPER_ORGANS, Spacing

SCORE_COLUMNS = tuple(field.name for field in fields(OrganScore))
_TEXT_COLUMNS = ("case_id", "organ")
_MISSING = ["", "nan", "NaN"]
_NO_TEXT = (OSError, ValueError)
_NO_ARRAYS = (
    OSError, ValueError, KeyError, EOFError, TypeError, MemoryError, BadZipFile, zlib.error,
)  # fmt: skip
_MAX_ARRAYS_BYTES = 256 * 2**20  # unpacked; an overlay of the paper's grid has 4 MiB
_MAX_NAMES_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Overlay:
    """One test case on the training grid, as prepared, with its prediction.

    Attributes:
        label: 0 background, 1.. organs; `prediction` has the same values.
    """

    case_id: str
    image: Float[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"]
    prediction: UInt8[np.ndarray, "d h w"]
    spacing_mm: Spacing


@dataclass(frozen=True, eq=False)
class VoxelFeatures:
    """Features of some voxels of the test cases, by encoder level, the deepest first.

    Attributes:
        case_ids: What the cases of the levels count.
    """

    case_ids: tuple[str, ...]
    levels: tuple[LevelFeatures, ...]


def read_object(path: Path) -> dict:
    """Read a JSON object; anything else is refused."""
    with _reading(path, "it is not readable JSON", _NO_TEXT):
        value = read_json(path, LARGE)
    if not isinstance(value, dict):
        raise _unreadable(path, "it holds no JSON object")
    return value


def read_cases(path: Path, organs: Sequence[str] = PAPER_ORGANS) -> pd.DataFrame:
    """Read the scores of the test cases, one line for each OrganScore, of these organs alone.

    A case called `0012` or `nan` keeps its name; an empty number is NaN.
    """
    numbers = [name for name in SCORE_COLUMNS if name not in _TEXT_COLUMNS]
    with _reading(path, "it is not a readable CSV", _NO_TEXT):
        require_few_cells(text := read_text(path))
        cases = pd.read_csv(
            io.StringIO(text, newline=""),
            dtype=dict.fromkeys(_TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, _MISSING),
        )
    absent = [name for name in SCORE_COLUMNS if name not in cases.columns]
    if absent:
        raise _unreadable(path, f"the columns {', '.join(absent)} are missing")
    unknown = sorted(set(cases["organ"]) - set(organs))
    if unknown:
        raise _unreadable(path, f"'{unknown[0]:.40}' is none of the organs")
    words = [name for name in numbers if name in cases and not is_numeric_dtype(cases[name])]
    if words and len(cases):
        raise _unreadable(path, f"the column {words[0]} holds what is no number")
    return cases.loc[:, list(SCORE_COLUMNS)]


def read_overlay(path: Path) -> Overlay:
    """Read the arrays of one test case; nothing in the file can run code."""
    with _reading(path, "it is not a readable overlay"), _open_arrays(path) as arrays:
        image, label, prediction = (arrays[name] for name in ("image", "label", "prediction"))
        d, h, w = (float(step) for step in arrays["spacing_mm"])
        case_id = str(arrays["case_id"])
    fits = image.ndim == 3 and image.shape == label.shape == prediction.shape and image.size > 0
    if not fits or not all(math.isfinite(step) and step > 0 for step in (d, h, w)):
        raise _unreadable(path, "its arrays do not fit together")
    return Overlay(
        case_id=case_id,
        # As it was kept: pages hold many of them.
        image=image.astype(np.float16),
        label=label.astype(np.uint8),
        prediction=prediction.astype(np.uint8),
        spacing_mm=(d, h, w),
    )


def read_prediction(
    path: Path,
    case_id: str,
    most_bytes: int = _MAX_ARRAYS_BYTES,
    *,
    organs: int = len(PAPER_ORGANS),
) -> UInt8[np.ndarray, "d h w"]:
    """Read what a run predicted for one test case; the other cases are not unpacked.

    Args:
        path: Of a file of `result_files.write_predictions`; a UserError where it is another file
            or does not hold the case.
        most_bytes: It may unpack to; that of a whole scan may be large.
        organs: How many there are: no label lies above.
    """
    with _reading(path, "it holds no readable prediction of this case"):
        with _open_arrays(path, "case_ids", _MAX_NAMES_BYTES) as arrays:
            number = [str(name) for name in arrays["case_ids"]].index(case_id)
        with _open_arrays(path, f"prediction_{number}", most_bytes) as arrays:
            prediction = arrays[f"prediction_{number}"]
    if prediction.ndim != 3 or prediction.dtype != np.uint8 or prediction.size == 0:
        raise _unreadable(path, "a prediction in it is no volume")
    if prediction.max() > organs:
        raise _unreadable(path, "a prediction in it has labels of no organ")
    return prediction


def read_features(path: Path, organs: Sequence[str] = PAPER_ORGANS) -> VoxelFeatures:
    """Read the features of test voxels of these organs; nothing in the file can run code."""
    with _reading(path, "it holds no readable features"), _open_arrays(path) as arrays:
        case_ids = tuple(str(name) for name in arrays["case_ids"])
        count = sum(name.endswith("_features") for name in arrays.files)
        levels = tuple(_level(arrays, number) for number in range(1, count + 1))
    if not levels or not all(_fits(level, len(case_ids), len(organs)) for level in levels):
        raise _unreadable(path, "its arrays do not fit together")
    return VoxelFeatures(case_ids, levels)


@contextmanager
def _reading(
    path: Path, refusal: str, foreseen: tuple[type[Exception], ...] = _NO_ARRAYS
) -> Iterator[None]:
    """Refuse a file that cannot be read as what it should be."""
    try:
        yield
    except foreseen as error:
        raise _unreadable(path, f"{refusal} ({error})") from error


@contextmanager
def _open_arrays(
    path: Path, name: str = "", most_bytes: int = _MAX_ARRAYS_BYTES
) -> Iterator["np.lib.npyio.NpzFile"]:
    """Open an .npz from which neither code nor a machine full of zeros can come.

    Args:
        name: Of the one array that will be unpacked, whatever else is in there; empty for all.
    """
    require_regular(path)
    with ZipFile(path) as packed:
        members = [packed.getinfo(f"{name}.npy")] if name else packed.infolist()
    size = sum(member.file_size for member in members)
    if size > most_bytes:
        raise ValueError(f"{name or 'it'} unpacks to {size >> 20} MiB")
    with HEADERS, np.load(path, allow_pickle=False) as arrays:
        yield arrays


def _level(arrays: Mapping[str, np.ndarray], number: int) -> LevelFeatures:
    features, classes, cases = (
        arrays[f"level_{number}_{field.name}"] for field in fields(LevelFeatures)
    )
    if features.ndim != 2 or classes.ndim != 1 or cases.ndim != 1:
        raise ValueError(f"level {number} has the wrong number of axes")
    return LevelFeatures(
        features.astype(np.float16), classes.astype(np.uint8), cases.astype(np.int32)
    )


def _fits(level: LevelFeatures, num_cases: int, organs: int) -> bool:
    counts = {len(level.features), len(level.classes), len(level.cases)}
    known = (level.classes <= organs).all() and (level.cases < num_cases).all()
    numbers = np.isfinite(level.features).all() and (level.cases >= 0).all()
    return len(counts) == 1 and bool(known and numbers)


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(
        f"{path.name} cannot be used: {why}",
        where=str(path),
        fix="run the trial again: `voxsiam study resume NAME` repeats what is not finished",
    )
