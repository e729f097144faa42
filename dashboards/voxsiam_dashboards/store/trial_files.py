"""The files a run leaves behind, read back with care: they may be missing, cut off or foreign."""

import io
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from pandas.api.types import is_numeric_dtype

from voxsiam.errors import UserError
from voxsiam.inference.voxel_features import LevelFeatures
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.regular_files import require_regular
from voxsiam.small_files import LARGE, read_json, read_text, require_few_cells
from voxsiam.types import NUM_CLASSES, ORGANS, Spacing

SCORE_COLUMNS = tuple(field.name for field in fields(OrganScore))
_TEXT_COLUMNS = ("case_id", "organ")
_MISSING = ["", "nan", "NaN"]
_NO_ARRAYS = (
    OSError, ValueError, KeyError, EOFError, TypeError, MemoryError, BadZipFile, zlib.error,
)  # fmt: skip
_MAX_ARRAYS_BYTES = 256 * 2**20  # unpacked; an overlay of the paper's grid has 4 MiB
_MAX_NAMES_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Overlay:
    """One test case with its prediction.

    Attributes:
        case_id: Name of the case.
        image: As prepared.
        label: 0 background, 1..8 organs.
        prediction: The same values as the run predicted them.
        spacing_mm: Size of a grid voxel along d, h, w.
    """

    case_id: str
    image: Float[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"]
    prediction: UInt8[np.ndarray, "d h w"]
    spacing_mm: Spacing


@dataclass(frozen=True, eq=False)
class VoxelFeatures:
    """Features of some voxels of the test cases.

    Attributes:
        case_ids: What the cases of the levels count.
        levels: Encoder levels, deepest first.
    """

    case_ids: tuple[str, ...]
    levels: tuple[LevelFeatures, ...]


def read_object(path: Path) -> dict:
    """Read a JSON object; anything else is refused."""
    try:
        value = read_json(path, LARGE)
    except (OSError, ValueError) as error:
        raise _unreadable(path, f"it is not readable JSON ({error})") from error
    if not isinstance(value, dict):
        raise _unreadable(path, "it holds no JSON object")
    return value


def read_cases(path: Path) -> pd.DataFrame:
    """Read the scores of the test cases, one line for each OrganScore.

    A case called `0012` or `nan` keeps its name; an empty number is NaN.
    """
    numbers = [name for name in SCORE_COLUMNS if name not in _TEXT_COLUMNS]
    try:
        require_few_cells(text := read_text(path))
        cases = pd.read_csv(
            io.StringIO(text, newline=""),
            dtype=dict.fromkeys(_TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, _MISSING),
        )
    except (OSError, ValueError) as error:
        raise _unreadable(path, f"it is not a readable CSV ({error})") from error
    absent = [name for name in SCORE_COLUMNS if name not in cases.columns]
    if absent:
        raise _unreadable(path, f"the columns {', '.join(absent)} are missing")
    unknown = sorted(set(cases["organ"]) - set(ORGANS))
    if unknown:
        raise _unreadable(path, f"'{unknown[0]:.40}' is none of the organs")
    words = [name for name in numbers if name in cases and not is_numeric_dtype(cases[name])]
    if words and len(cases):
        raise _unreadable(path, f"the column {words[0]} holds what is no number")
    return cases.loc[:, list(SCORE_COLUMNS)]


def read_overlay(path: Path) -> Overlay:
    """Read the arrays of one test case; nothing in the file can run code."""
    try:
        with _open_arrays(path) as arrays:
            image, label, prediction = (arrays[name] for name in ("image", "label", "prediction"))
            d, h, w = (float(step) for step in arrays["spacing_mm"])
            case_id = str(arrays["case_id"])
    except _NO_ARRAYS as error:
        raise _unreadable(path, f"it is not a readable overlay ({error})") from error
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
    path: Path, case_id: str, most_bytes: int = _MAX_ARRAYS_BYTES
) -> UInt8[np.ndarray, "d h w"]:
    """Read what a run predicted for one test case; the other cases are not unpacked.

    Args:
        path: Of a file of `result_files.write_predictions`.
        most_bytes: It may unpack to; that of a whole scan may be large.

    Returns:
        0 background, 1..8 organs.

    Raises:
        UserError: The case is not in it, or the file is not what a run leaves.
    """
    try:
        names = [str(name) for name in _member(path, "case_ids", _MAX_NAMES_BYTES)]
        prediction = _member(path, f"prediction_{names.index(case_id)}", most_bytes)
    except _NO_ARRAYS as error:
        raise _unreadable(
            path, f"it holds no readable prediction of this case ({error})"
        ) from error
    if prediction.ndim != 3 or prediction.dtype != np.uint8 or prediction.size == 0:
        raise _unreadable(path, "a prediction in it is no volume")
    if prediction.max() >= NUM_CLASSES:
        raise _unreadable(path, "a prediction in it has labels of no organ")
    return prediction


def read_features(path: Path) -> VoxelFeatures:
    """Read the features of test voxels; nothing in the file can run code."""
    try:
        with _open_arrays(path) as arrays:
            case_ids = tuple(str(name) for name in arrays["case_ids"])
            count = sum(name.endswith("_features") for name in arrays.files)
            levels = tuple(_level(arrays, number) for number in range(1, count + 1))
    except _NO_ARRAYS as error:
        raise _unreadable(path, f"it holds no readable features ({error})") from error
    if not levels or not all(_fits(level, len(case_ids)) for level in levels):
        raise _unreadable(path, "its arrays do not fit together")
    return VoxelFeatures(case_ids, levels)


def _open_arrays(path: Path) -> "np.lib.npyio.NpzFile":
    """Open an .npz from which neither code nor a machine full of zeros can come."""
    require_regular(path)
    with ZipFile(path) as packed:
        size = sum(member.file_size for member in packed.infolist())
    if size > _MAX_ARRAYS_BYTES:
        raise ValueError(f"it unpacks to {size >> 20} MiB")
    return np.load(path, allow_pickle=False)


def _member(path: Path, name: str, most_bytes: int) -> np.ndarray:
    """Unpack one array of an .npz, whatever else is in there."""
    require_regular(path)
    with ZipFile(path) as packed:
        size = packed.getinfo(f"{name}.npy").file_size
    if size > most_bytes:
        raise ValueError(f"{name} unpacks to {size >> 20} MiB")
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[name]


def _level(arrays: Mapping[str, np.ndarray], number: int) -> LevelFeatures:
    features, classes, cases = (
        arrays[f"level_{number}_{field.name}"] for field in fields(LevelFeatures)
    )
    if features.ndim != 2 or classes.ndim != 1 or cases.ndim != 1:
        raise ValueError(f"level {number} has the wrong number of axes")
    return LevelFeatures(
        features.astype(np.float16), classes.astype(np.uint8), cases.astype(np.int32)
    )


def _fits(level: LevelFeatures, num_cases: int) -> bool:
    counts = {len(level.features), len(level.classes), len(level.cases)}
    known = (level.classes < NUM_CLASSES).all() and (level.cases < num_cases).all()
    numbers = np.isfinite(level.features).all() and (level.cases >= 0).all()
    return len(counts) == 1 and bool(known and numbers)


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(
        f"{path.name} cannot be used: {why}",
        where=str(path),
        fix="run the trial again: `voxsiam study resume NAME` repeats what is not finished",
    )
