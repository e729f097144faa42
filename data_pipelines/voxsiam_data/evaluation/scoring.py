"""Predictions and references of many cases, from any tool: paired by name, checked, scored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from voxsiam.errors import UserError, nearest_name
from voxsiam.metrics.case_scores import NativePair, score_case, score_native
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.types import PAPER_ORGANS, Shape
from voxsiam.volumes.label_files import MAX_DRIFT_VOXELS, Labels, OrganMasks
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import (
    axis_order,
    corner_drift_voxels,
    in_patient_axes,
    spacing_dhw,
)
from voxsiam.volumes.resampling import resample_nearest
from voxsiam.volumes.volume_file import read_volume
from voxsiam_data.evaluation.found_labels import CaseLabels, FoundLabels, files_of, listed
from voxsiam_data.labels.protocols import LabelProtocol, organ_labels
from voxsiam_data.side_by_side import OnCase, side_by_side, unheard


@dataclass(frozen=True)
class LabelPair:
    """The labels of one case, twice."""

    case_id: str
    prediction: CaseLabels
    reference: CaseLabels


@dataclass(frozen=True)
class Comparison:
    """How pairs are scored.

    Attributes:
        prediction, reference: What their values mean.
        rules: Classes that both can hold, and what a missed one costs.
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
    """Scores in the order of the pairs; notes, by case, of what was odd about its files."""

    scores: list[OrganScore]
    notes: dict[str, tuple[str, ...]]


def comparable_organs(
    prediction: LabelProtocol, reference: LabelProtocol, wanted: Sequence[str] = ()
) -> tuple[str, ...]:
    """Choose the organs to score: those that are wanted, else all that both protocols can hold.

    Those of the reference's own dataset.json, else the paper's, else whatever masks there are.
    """
    structures = (*reference.structures, *prediction.structures, *PAPER_ORGANS)
    known = tuple(dict.fromkeys(structures))
    for organ in wanted:
        if organ not in known:
            raise UserError(
                f"there is no organ '{organ}'", where="--organ", fix=nearest_name(organ, known)
            )
        for side in (prediction, reference):
            if side.lacking((organ,)):
                raise UserError(
                    f"label maps of '{side.name}' cannot hold the organ '{organ}'",
                    where="--organ",
                    fix="leave the organ out, or name the right protocol",
                )
    if wanted:
        return tuple(organ for organ in known if organ in wanted)
    for organs in (reference.classes(), reference.structures):
        lacking = {*prediction.lacking(organs), *reference.lacking(organs)}
        if common := tuple(organ for organ in organs if organ not in lacking):
            return common
    raise UserError(
        "the predictions and the references have no organ in common",
        where=f"'{prediction.name}' and '{reference.name}'",
        fix="name what the values mean: --protocol, --prediction-protocol or --labels",
    )


def find_pairs(predictions: FoundLabels, references: FoundLabels) -> list[LabelPair]:
    """Pair predictions and references by their case names; two single cases whatever their names.

    A case without its other half is refused: a prediction that was never written must not drop out
    of a mean.
    """
    ours, theirs = predictions.cases, references.cases
    if predictions.is_one_case and references.is_one_case:
        (name,) = ours
        return [LabelPair(name, ours[name], *theirs.values())]
    if predictions.is_one_case != references.is_one_case:
        one, other = sorted((predictions, references), key=lambda side: not side.is_one_case)
        raise UserError(
            f"This is one case, the other side is a folder of {len(other.cases)}.",
            where=str(one.root),
            fix="give two label maps, or two folders of them",
        )
    if ours.keys() != theirs.keys():
        raise UserError(
            f"The cases do not match. Without a reference: {listed(ours.keys() - theirs.keys())}. "
            f"Without a prediction: {listed(theirs.keys() - ours.keys())}.",
            where=f"{predictions.root} and {references.root}",
            fix="give both files of a case the same name, and put the same cases on both sides",
        )
    return [LabelPair(name, ours[name], theirs[name]) for name in sorted(ours)]


def score_pairs(
    pairs: Sequence[LabelPair],
    comparison: Comparison,
    on_case: OnCase = unheard,
    threads: int = 2,
) -> Scored:
    """Score every pair; at least one reference must hold one of the organs."""
    found = side_by_side(partial(score_pair, comparison=comparison), pairs, threads, on_case)
    scores = [score for of_case, _ in found for score in of_case]
    if not any(score.reference_voxels_native for score in scores):
        raise UserError(
            "None of the references holds any of the organs.",
            where=str(files_of(pairs[0].reference)[0].parent),
            fix=f"check --protocol: the values were read as '{comparison.reference.name}'",
        )
    named = zip(pairs, found, strict=True)
    return Scored(scores, {pair.case_id: notes for pair, (_, notes) in named if notes})


def score_pair(pair: LabelPair, comparison: Comparison) -> tuple[list[OrganScore], tuple[str, ...]]:
    """Read, check and score one case; say what was odd about its files."""
    organs, geometry = comparison.rules.classes, comparison.geometry
    ours, prediction = _read(pair.prediction, comparison.prediction, organs, geometry)
    theirs, reference = _read(pair.reference, comparison.reference, organs, geometry)
    notes = _notes(prediction, reference)
    _check_same_place(prediction, reference)
    spacing_mm = spacing_dhw(reference.affine, axis_order(reference.affine))
    native = NativePair(ours, theirs, spacing_mm)
    if comparison.grid_dhw is None:
        return score_native(pair.case_id, native, comparison.rules), notes
    scores = _score_with_grid(pair.case_id, native, comparison.grid_dhw, comparison.rules)
    return scores, notes


def _read(
    labels: CaseLabels, meaning: LabelProtocol, organs: tuple[str, ...], geometry: Form | None
) -> tuple[Labels, Scan]:
    """Read the labels of a case, and the grid that they lie on."""
    if isinstance(labels, Path):
        scan = read_volume(labels, geometry=geometry)
        return organ_labels(scan, meaning, organs), scan
    named = enumerate(organs, start=1)
    paths = {value: labels[organ] for value, organ in named if organ in labels}
    masks = OrganMasks(paths=paths, organs=organs)
    grid = read_volume(masks.files[0], geometry=geometry)
    joined, notes = masks.read_with_notes(grid, geometry, may_be_empty=True)
    return joined, replace(grid, notes=tuple(dict.fromkeys((*grid.notes, *notes))))


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
    prediction = resample_nearest(native.prediction, grid_dhw)
    reference = resample_nearest(native.reference, grid_dhw)
    return score_case(case_id, prediction, reference, (d, h, w), native, rules)


def _check_same_place(prediction: Scan, reference: Scan) -> None:
    """Refuse two maps that do not cover the same voxels of the patient, whatever their axes."""
    ours, theirs = in_patient_axes(prediction), in_patient_axes(reference)
    if ours.array.shape != theirs.array.shape:
        sizes = [" x ".join(map(str, scan.array.shape)) for scan in (ours, theirs)]
        raise UserError(
            f"The prediction has {sizes[0]} voxels, its reference {sizes[1]} (d h w).",
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
