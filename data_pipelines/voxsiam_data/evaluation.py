"""Predictions and references of many cases, from any tool: paired by name, checked, scored.

A side is one file, a folder of `<case>.nii.gz`, or a folder of `<case>/label.nii.gz`.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from voxsiam.errors import UserError, nearest_name
from voxsiam.metrics.case_scores import NativePair, score_case, score_native
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.types import ORGANS, Shape
from voxsiam.volumes.geometry_check import (
    MAX_DRIFT_VOXELS,
    corner_drift_voxels,
    in_patient_axes,
)
from voxsiam.volumes.nifti import Scan, read_nifti
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import axis_order, spacing_dhw
from voxsiam.volumes.resampling import resample_nearest
from voxsiam_data.labels.protocols import LabelProtocol, organ_labels

ENDINGS = (".nii.gz", ".nii")
_CHANNEL = "_0000"
_LISTED = 5


@dataclass(frozen=True)
class LabelPair:
    """Two label maps of one case."""

    case_id: str
    prediction: Path
    reference: Path


@dataclass(frozen=True)
class Comparison:
    """How pairs are scored.

    Attributes:
        prediction: What the values of the predictions mean.
        reference: What the values of the references mean.
        rules: Organs that both can hold, and what a missed one costs.
        grid_dhw: Score on this grid too, both maps stretched to it; None for no such grid.
        geometry: The form of the headers to believe, where somebody has said so.
    """

    prediction: LabelProtocol
    reference: LabelProtocol
    rules: ScoringRules
    grid_dhw: Shape | None = None
    geometry: Form | None = None


@dataclass(frozen=True)
class Scored:
    """What came out of a comparison.

    Attributes:
        scores: In the order of the pairs.
        notes: By case: what was odd about its files, and what was made of it.
    """

    scores: list[OrganScore]
    notes: dict[str, tuple[str, ...]]


def comparable_organs(
    prediction: LabelProtocol, reference: LabelProtocol, wanted: Sequence[str] = ()
) -> tuple[str, ...]:
    """Choose the organs to score: those that both protocols can hold.

    Args:
        prediction: Protocol of the predictions.
        reference: Protocol of the references.
        wanted: Only these; all comparable ones where it is empty.

    Raises:
        UserError: A wanted organ is unknown, or a protocol has no value for it.
    """
    for organ in wanted:
        if organ not in ORGANS:
            raise UserError(
                f"there is no organ '{organ}'", where="--organ", fix=nearest_name(organ, ORGANS)
            )
        for side in (prediction, reference):
            if organ in side.lacks:
                raise UserError(
                    f"label maps of '{side.name}' cannot hold the organ '{organ}'",
                    where="--organ",
                    fix="leave the organ out, or name the right protocol",
                )
    lacking = {*prediction.lacks, *reference.lacks}
    return tuple(wanted) or tuple(organ for organ in ORGANS if organ not in lacking)


def find_pairs(predictions: Path, references: Path) -> list[LabelPair]:
    """Pair two files, or the files of two folders by the names of their cases.

    Raises:
        UserError: A side is missing or empty, or a case stands on one side only: a prediction
            that was never written must not drop out of a mean.
    """
    if predictions.is_file() and references.is_file():
        return [LabelPair(_case_name(predictions), predictions, references)]
    ours, theirs = _label_maps(predictions), _label_maps(references)
    if ours.keys() != theirs.keys():
        raise UserError(
            f"The cases do not match. Without a reference: {_listed(ours.keys() - theirs.keys())}. "
            f"Without a prediction: {_listed(theirs.keys() - ours.keys())}.",
            where=f"{predictions} and {references}",
            fix="give both files of a case the same name, and put the same cases on both sides",
        )
    return [LabelPair(name, ours[name], theirs[name]) for name in sorted(ours)]


def score_pairs(
    pairs: Sequence[LabelPair],
    comparison: Comparison,
    on_case: Callable[[int, int], None] | None = None,
    threads: int = 2,
) -> Scored:
    """Score every pair.

    Raises:
        UserError: A file is unusable, two files do not lie on one grid, or no reference holds
            any of the organs.
    """
    found: dict[str, tuple[list[OrganScore], tuple[str, ...]]] = {}
    with ThreadPoolExecutor(threads) as pool:
        jobs = {pool.submit(score_pair, pair, comparison): pair.case_id for pair in pairs}
        try:
            for job in as_completed(jobs):
                found[jobs[job]] = job.result()
                if on_case is not None:
                    on_case(len(found), len(pairs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    scores = [score for pair in pairs for score in found[pair.case_id][0]]
    if not any(score.reference_voxels_native for score in scores):
        raise UserError(
            "None of the references holds any of the organs.",
            where=str(pairs[0].reference.parent),
            fix=f"check --protocol: the values were read as '{comparison.reference.name}'",
        )
    return Scored(scores, {p.case_id: found[p.case_id][1] for p in pairs if found[p.case_id][1]})


def score_pair(pair: LabelPair, comparison: Comparison) -> tuple[list[OrganScore], tuple[str, ...]]:
    """Read, check and score one case; say what was odd about its files."""
    prediction, reference = (
        read_nifti(path, geometry=comparison.geometry) for path in (pair.prediction, pair.reference)
    )
    notes = _notes(prediction, reference)
    _check_same_place(prediction, reference)
    native = NativePair(
        organ_labels(prediction, comparison.prediction),
        organ_labels(reference, comparison.reference),
        spacing_dhw(reference.affine, axis_order(reference.affine)),
    )
    if comparison.grid_dhw is None:
        return score_native(pair.case_id, native, comparison.rules), notes
    scores = _score_with_grid(pair.case_id, native, comparison.grid_dhw, comparison.rules)
    return scores, notes


def _notes(prediction: Scan, reference: Scan) -> tuple[str, ...]:
    """Say once what is odd about both files, else about which one."""
    common = [note for note in prediction.notes if note in reference.notes]
    alone = [
        f"{side}: {note}"
        for side, scan in (("prediction", prediction), ("reference", reference))
        for note in scan.notes
        if note not in common
    ]
    return (*common, *alone)


def _score_with_grid(
    case_id: str, native: NativePair, grid_dhw: Shape, rules: ScoringRules
) -> list[OrganScore]:
    d, h, w = (
        step * old / new
        for step, old, new in zip(native.spacing_mm, native.reference.shape, grid_dhw, strict=True)
    )
    on_grid: list[UInt8[np.ndarray, "d h w"]] = [
        resample_nearest(labels, grid_dhw) for labels in (native.prediction, native.reference)
    ]
    return score_case(case_id, on_grid[0], on_grid[1], (d, h, w), native, rules)


def _label_maps(root: Path) -> dict[str, Path]:
    """Find one label map for each case of a folder."""
    if not root.is_dir():
        raise UserError(
            "This is a file, the other side is a folder." if root.is_file() else "It is not there.",
            where=str(root),
            fix="give two label maps, or two folders of them",
        )
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        label = _label_in(path) if path.is_dir() else path
        if path.name.startswith(".") or label is None or not label.name.endswith(ENDINGS):
            continue
        name = _case_name(path)
        if name in found:
            raise UserError(
                f"Two label maps belong to the case '{name}': "
                f"{found[name].relative_to(root)}, {label.relative_to(root)}.",
                where=str(root),
                fix="keep one of them",
            )
        found[name] = label
    if not found:
        raise UserError(
            "The folder holds no label maps.",
            where=str(root),
            fix="give a folder of <case>.nii.gz or of <case>/label.nii.gz",
        )
    return found


def _label_in(folder: Path) -> Path | None:
    """Choose the label map of a case folder: `label.nii.gz`, else its only file but the image."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith(ENDINGS))
    labels = [path for path in files if _stem(path) == "label"] or [
        path for path in files if _stem(path) != "image"
    ]
    if len(labels) > 1:
        raise UserError(
            f"The case folder holds several label maps: {_listed(p.name for p in labels)}.",
            where=str(folder),
            fix="call the one to compare label.nii.gz",
        )
    return labels[0] if labels else None


def _case_name(path: Path) -> str:
    return _stem(path).removesuffix(_CHANNEL)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _check_same_place(prediction: Scan, reference: Scan) -> None:
    """Refuse two maps that do not cover the same voxels of the patient, whatever their axes."""
    ours, theirs = in_patient_axes(prediction), in_patient_axes(reference)
    if ours.array.shape != theirs.array.shape:
        raise UserError(
            f"The prediction has {_size(ours)} voxels, its reference {_size(theirs)} (d h w).",
            where=f"{prediction.path} against {reference.path}",
            fix="resample the prediction to the grid of the reference (nearest neighbour)",
        )
    drift = corner_drift_voxels(theirs, ours)
    if drift > MAX_DRIFT_VOXELS:
        raise UserError(
            f"The prediction lies up to {drift:.3g} voxels away from its reference.",
            where=f"{prediction.path} against {reference.path}",
            fix="give both the affine of their CT if the arrays do match, else resample one",
        )


def _size(scan: Scan) -> str:
    return " x ".join(map(str, scan.array.shape))


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _LISTED} more" if len(ordered) > _LISTED else ""
    return (", ".join(ordered[:_LISTED]) or "none") + more
