"""The files that a run leaves about its test cases; `voxsiam_dashboards.store` reads them."""

import csv
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from jaxtyping import UInt8

from voxsiam.inference.voxel_features import CaseFeatures, join_cases
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.orchestration.runs.manifest import CASES_FILE, EPOCHS_FILE
from voxsiam.types import Shape, Volume

OVERLAY, FEATURES = "overlay.npz", "features.npz"
PREDICTIONS, NATIVE_PREDICTIONS = "predictions.npz", "native_predictions.npz"
"""What was predicted on the training grid, and on the voxels of each scan."""

TEST_FILES = (CASES_FILE, EPOCHS_FILE, OVERLAY, FEATURES, PREDICTIONS, NATIVE_PREDICTIONS)
"""A run without test cases leaves the first two, and nothing in the first."""


@dataclass(frozen=True)
class PackedLabels:
    """A label map as it travels between processes: of a whole scan it is large, and mostly 0."""

    packed: bytes
    shape: Shape

    @classmethod
    def of(cls, labels: UInt8[np.ndarray, "d h w"]) -> "PackedLabels":
        """Pack a label map."""
        d, h, w = labels.shape
        return cls(zlib.compress(np.ascontiguousarray(labels).tobytes(), level=1), (d, h, w))

    def unpacked(self) -> UInt8[np.ndarray, "d h w"]:
        """Return it."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.shape)


def write_scores(folder: Path, scores: Iterable[OrganScore]) -> None:
    """Write every organ of every test case."""
    with (folder / CASES_FILE).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(OrganScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def write_epochs(folder: Path, records: Sequence[Mapping[str, float]]) -> None:
    """Write the figures of every epoch, so that a reader gets the very same numbers back."""
    names = list(dict.fromkeys(name for record in records for name in record))
    with (folder / EPOCHS_FILE).open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({n: repr(float(v)) for n, v in record.items()} for record in records)


def write_overlay(folder: Path, volume: Volume, predicted: UInt8[np.ndarray, "d h w"]) -> None:
    """Write one test case with its prediction, to be looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / OVERLAY,
        image=volume.image.astype(np.float16),
        label=volume.label,
        prediction=predicted,
        spacing_mm=np.asarray(volume.spacing_mm),
        case_id=np.asarray(volume.case_id),
    )


def write_predictions(file: Path, by_case: Mapping[str, PackedLabels]) -> None:
    """Write what was predicted as an .npz: of each case an array, read without the others."""
    with ZipFile(file, "w", ZIP_DEFLATED) as target:
        _add(target, "case_ids", np.asarray(list(by_case)))
        for number, labels in enumerate(by_case.values()):
            _add(target, f"prediction_{number}", labels.unpacked())


def _add(target: ZipFile, name: str, array: np.ndarray) -> None:
    with target.open(f"{name}.npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)


def write_features(folder: Path, by_case: Mapping[str, CaseFeatures]) -> None:
    """Write features of some test voxels; level 1 is the deepest, as the paper counts."""
    arrays = {
        f"level_{number}_{name}": array
        for number, level in enumerate(join_cases(by_case), start=1)
        for name, array in vars(level).items()
    }
    np.savez_compressed(folder / FEATURES, case_ids=np.asarray(list(by_case)), **arrays)
