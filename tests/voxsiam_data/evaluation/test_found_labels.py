"""Whose organs a value or a file means, on either side of an evaluation."""

import json

import numpy as np
import pytest

from tests.nifti_files import ras_affine, write_scan
from voxsiam.errors import UserError
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.types import PAPER_ORGANS
from voxsiam_data.evaluation.found_labels import find_labels, meanings, unused_labels
from voxsiam_data.evaluation.scoring import Comparison, comparable_organs, find_pairs, score_pairs
from voxsiam_data.labels.protocols import PROTOCOLS

AFFINE = ras_affine((1.0, 1.0, 2.0))
SPLEEN, LIVER = 1, 5
OTHER_NUMBERS = {"background": 0, "liver": 1, "spleen": 2, "left_kidney": 3, "gallbladder": 4,
                 "esophagus": 5, "stomach": 6, "pancreas": 7, "duodenum": 8}  # fmt: skip


def organs(*values):
    volume = np.zeros((12, 20, 8), np.uint8)
    for place, value in enumerate(values):
        volume[2:8, 2 + 2 * place : 4 + 2 * place, 2:6] = value
    return volume


def halved(volume, value):
    changed = volume.copy()
    changed[:5][changed[:5] == value] = 0
    return changed


def write_masks(folder, volume, values, names=None):
    for value in values:
        name = (names or PAPER_ORGANS)[value - 1]
        write_scan(folder / f"{name}.nii.gz", (volume == value).astype(np.uint8), AFFINE)


def describe(folder, labels=OTHER_NUMBERS):
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))


def scored(predictions, references, **said):
    """Return the Dice coefficients by organ, as the command line computes them."""
    sides = find_labels(predictions), find_labels(references)
    both = meanings(*sides, **said)
    rules = ScoringRules(classes=comparable_organs(*both))
    scores = score_pairs(find_pairs(*sides), Comparison(*both, rules)).scores
    return {score.organ: score.dsc_native for score in scores if score.reference_voxels_native}


def test_a_data_sets_own_numbers_decide(tmp_path):
    truth = organs(1, 2)  # liver, spleen there
    write_scan(tmp_path / "D/labelsTr/c1.nii.gz", truth, AFFINE)
    write_scan(tmp_path / "pred/c1.nii.gz", halved(truth, 1), AFFINE)
    describe(tmp_path / "D")
    found = scored(tmp_path / "pred", tmp_path / "D/labelsTr")
    assert found["spleen"] == 1.0
    assert found["liver"] == pytest.approx(2 / 3)


def test_each_sides_own_description_decides(tmp_path):
    """As nnU-Net and our predict write it beside their results."""
    write_scan(tmp_path / "ref/c1.nii.gz", organs(1, 2), AFFINE)
    describe(tmp_path / "ref")
    write_scan(tmp_path / "pred/c1.nii.gz", organs(LIVER, SPLEEN), AFFINE)
    describe(tmp_path / "pred", {"background": 0} | {o: n for n, o in enumerate(PAPER_ORGANS, 1)})
    assert scored(tmp_path / "pred", tmp_path / "ref") == {"liver": 1.0, "spleen": 1.0}


def test_what_was_said_counts_more(tmp_path):
    for side in ("pred", "ref"):
        write_scan(tmp_path / side / "c1.nii.gz", organs(SPLEEN), AFFINE)
    describe(tmp_path / "ref")
    ours = PROTOCOLS["voxsiam"]
    assert scored(tmp_path / "pred", tmp_path / "ref") == {"liver": 1.0}
    said = {"reference": ours}
    assert scored(tmp_path / "pred", tmp_path / "ref", **said) == {"spleen": 1.0}


def test_a_broken_description_counts_only_where_nothing_was_said(tmp_path):
    for side in ("pred", "ref"):
        write_scan(tmp_path / side / "c1.nii.gz", organs(SPLEEN), AFFINE)
        (tmp_path / side / "dataset.json").write_text("{")
    ours = PROTOCOLS["voxsiam"]
    said = {"prediction": ours, "reference": ours}
    assert scored(tmp_path / "pred", tmp_path / "ref", **said) == {"spleen": 1.0}
    with pytest.raises(UserError, match="JSON"):
        scored(tmp_path / "pred", tmp_path / "ref", prediction=ours)


def test_values_without_a_name_are_refused(tmp_path):
    for side in ("pred", "ref"):
        write_scan(tmp_path / side / "c1.nii.gz", organs(1, 2, 9), AFFINE)
    describe(tmp_path / "ref")
    with pytest.raises(UserError, match=r"'dataset.json' does not know: 9"):
        scored(tmp_path / "pred", tmp_path / "ref")


@pytest.mark.parametrize("values", [(LIVER,), (LIVER, SPLEEN), (LIVER, SPLEEN, 7)])
@pytest.mark.parametrize("inside", ["", "segmentations/"])
def test_masks_are_what_they_are_called(tmp_path, values, inside):
    truth = organs(*values)
    write_masks(tmp_path / f"pred/c1/{inside}", halved(truth, LIVER), values)
    write_masks(tmp_path / f"ref/c1/{inside}", truth, values)
    found = scored(tmp_path / "pred", tmp_path / "ref")
    assert found.keys() == {PAPER_ORGANS[value - 1] for value in values}
    assert found["liver"] == pytest.approx(2 / 3)


def test_masks_against_a_label_map(tmp_path):
    """TotalSegmentator's output for one scan, other structures beside, against a reference."""
    truth = organs(LIVER, SPLEEN, 2)
    write_masks(tmp_path / "out", truth, (LIVER, SPLEEN))
    write_masks(tmp_path / "out", truth, (2,), names=("", "kidney_left"))
    write_scan(tmp_path / "out/aorta.nii.gz", organs(1), AFFINE)
    write_scan(tmp_path / "drawn.nii.gz", truth, AFFINE)
    assert scored(tmp_path / "out", tmp_path / "drawn.nii.gz") == {
        "spleen": 1.0, "left_kidney": 1.0, "liver": 1.0
    }  # fmt: skip


def test_a_single_mask_file(tmp_path):
    write_scan(tmp_path / "liver.nii.gz", organs(1), AFFINE)
    write_scan(tmp_path / "label.nii.gz", organs(LIVER), AFFINE)
    assert scored(tmp_path / "liver.nii.gz", tmp_path / "label.nii.gz") == {"liver": 1.0}


def test_masks_of_other_structures_are_scored_where_none_of_ours_is_there(tmp_path):
    for side in ("pred", "ref"):
        write_masks(tmp_path / side / "c1", organs(1, 2), (1, 2), names=("aorta", "colon"))
    write_scan(tmp_path / "ref/c1/trachea.nii.gz", organs(1), AFFINE)
    assert scored(tmp_path / "pred", tmp_path / "ref") == {"aorta": 1.0, "colon": 1.0}
    write_scan(tmp_path / "pred/c1/liver.nii.gz", organs(1), AFFINE)
    with pytest.raises(UserError, match="no organ in common"):
        scored(tmp_path / "pred/c1/liver.nii.gz", tmp_path / "ref/c1/aorta.nii.gz")


def test_cases_that_are_called_like_organs_are_label_maps(tmp_path):
    """The Decathlon calls its cases liver_0 and spleen_12."""
    for side in ("pred", "ref"):
        for name in ("liver_0", "liver_1", "spleen_12"):
            write_scan(tmp_path / side / f"{name}.nii.gz", organs(SPLEEN), AFFINE)
    assert scored(tmp_path / "pred", tmp_path / "ref") == {"spleen": 1.0}


def test_an_empty_mask_is_a_missed_organ(tmp_path):
    truth = organs(LIVER, SPLEEN)
    write_masks(tmp_path / "pred/c1", np.zeros_like(truth), (LIVER, SPLEEN))
    write_masks(tmp_path / "ref/c1", truth, (LIVER, SPLEEN))
    assert scored(tmp_path / "pred", tmp_path / "ref") == {"liver": 0.0, "spleen": 0.0}


@pytest.mark.parametrize("count", [1, 2])
def test_our_own_probabilities_are_no_label_maps(tmp_path, count):
    for number in range(count):
        for side in ("pred", "ref"):
            write_scan(tmp_path / side / f"c{number}.nii.gz", organs(LIVER), AFFINE)
        write_scan(tmp_path / f"pred/probabilities/c{number}.nii.gz", organs(LIVER), AFFINE)
    write_scan(tmp_path / "pred/c0_probabilities.nii.gz", organs(LIVER), AFFINE)
    assert scored(tmp_path / "pred", tmp_path / "ref") == {"liver": 1.0}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["c1/liver.nii.gz", "c1/my_seg.nii.gz"], "several label maps"),
        (["c1/liver.nii.gz", "c1/Liver.nii.gz"], "same organ as"),
        (["c1/lliver.nii.gz", "c1/spleen.nii.gz"], "several label maps|nearly one"),
        (["c1/liver.nii.gz", "c2/liver.nii.gz", "c2/spleen.nii.gz"], "'c1' has no mask of the sp"),
        (["c1/liver.nii.gz", "c2.nii.gz"], "Some cases have masks, 'c2' has a label map"),
    ],
)
def test_masks_that_cannot_be_told_apart_are_refused(tmp_path, files, words):
    for name in files:
        write_scan(tmp_path / "pred" / name, organs(1), AFFINE)
    with pytest.raises(UserError, match=words):
        find_labels(tmp_path / "pred").masks  # noqa: B018


def test_results_keep_the_paths_of_nested_scans_on_either_side(tmp_path):
    """Our own predict writes a/ct.nii.gz for a scan a/ct.nii.gz, and its probabilities beside."""
    for name in ("a/ct.nii.gz", "b/ct.nii.gz", "p/study/series.nii.gz"):
        write_scan(tmp_path / "pred" / name, organs(LIVER), AFFINE)
        write_scan(tmp_path / "pred/probabilities" / name, organs(LIVER), AFFINE)
    for name in ("a/label.nii.gz", "b.nii.gz", "p/study/label.nii.gz"):
        write_scan(tmp_path / "ref" / name, organs(LIVER), AFFINE)
    sides = find_labels(tmp_path / "pred"), find_labels(tmp_path / "ref")
    assert [pair.case_id for pair in find_pairs(*sides)] == ["a", "b", "p/study"]
    unused = {str(one.path): one.is_lost for one in unused_labels(sides[0])}
    assert unused == {
        f"probabilities/{name}": False
        for name in ("a/ct.nii.gz", "b/ct.nii.gz", "p/study/series.nii.gz")
    }
    assert unused_labels(sides[1]) == []


def test_a_folder_that_holds_a_link_to_itself(tmp_path):
    write_scan(tmp_path / "pred/a.nii.gz", organs(LIVER), AFFINE)
    (tmp_path / "pred/more").mkdir()
    (tmp_path / "pred/more/loop").symlink_to(tmp_path / "pred/more")
    assert list(find_labels(tmp_path / "pred").cases) == ["a"]
