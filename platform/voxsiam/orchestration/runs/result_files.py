"""The files that a run leaves about its test cases; `voxsiam_dashboards.store` reads them."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from voxsiam.inference.voxel_features import CaseFeatures, join_cases
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.orchestration.runs.manifest import CASES_FILE
from voxsiam.types import Volume

OVERLAY, FEATURES, PREDICTIONS = "overlay.npz", "features.npz", "predictions.npz"
TEST_FILES = (CASES_FILE, OVERLAY, FEATURES, PREDICTIONS)
"""A run without test cases leaves the first, and nothing in it."""


def write_scores(folder: Path, scores: Iterable[OrganScore]) -> None:
    """Write every organ of every test case."""
    with (folder / CASES_FILE).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(OrganScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


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


def write_predictions(folder: Path, by_case: Mapping[str, UInt8[np.ndarray, "d h w"]]) -> None:
    """Write what was predicted for every test case; each array can be read without the others."""
    arrays = {"case_ids": np.asarray(list(by_case))}
    arrays |= {f"prediction_{number}": array for number, array in enumerate(by_case.values())}
    np.savez_compressed(folder / PREDICTIONS, allow_pickle=False, **arrays)


def write_features(folder: Path, by_case: Mapping[str, CaseFeatures]) -> None:
    """Write features of some test voxels; level 1 is the deepest, as the paper counts."""
    arrays = {
        f"level_{number}_{name}": array
        for number, level in enumerate(join_cases(by_case), start=1)
        for name, array in vars(level).items()
    }
    np.savez_compressed(folder / FEATURES, case_ids=np.asarray(list(by_case)), **arrays)
