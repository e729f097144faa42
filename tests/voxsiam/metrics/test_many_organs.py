"""Scores of other classes than the paper's, and of many."""

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.metrics.agreement import organ_boxes
from voxsiam.metrics.case_scores import score_case, summarise
from voxsiam.metrics.scoring_rules import ScoringRules

MANY = tuple(f"organ_{number}" for number in range(1, 105))
SPACING_MM = (3.0, 2.0, 1.5)


def draw(seed, classes, shape=(18, 20, 22)):
    return np.random.default_rng(seed).integers(0, classes + 1, shape).astype(np.uint8)


@pytest.mark.parametrize("organs", [1, 7, 8, 9, 16, 17, 104, 254])
def test_boxes_are_those_of_each_value(organs):
    first, second = draw(organs, organs), draw(organs + 1, organs)
    first[:3], second[:, 17:] = 0, 0
    found = organ_boxes(first, second, organs)
    for value in range(1, organs + 1):
        where = np.argwhere((first == value) | (second == value))
        if not len(where):
            assert value not in found
            continue
        expected = zip(where.min(0), where.max(0) + 1, strict=True)
        assert found[value] == tuple(slice(a, b) for a, b in expected)


def test_many_organs_are_scored_as_each_alone():
    prediction, reference = draw(0, 104), draw(1, 104)
    reference[reference == 90] = 0
    prediction[prediction == 91] = 0
    found = score_case("a", prediction, reference, SPACING_MM, rules=ScoringRules(classes=MANY))
    assert tuple(one.organ for one in found) == MANY
    for value in (1, 8, 9, 63, 90, 91, 104):
        alone = ScoringRules(classes=("one",))
        ours, theirs = ((each == value).astype(np.uint8) for each in (prediction, reference))
        (expected,) = score_case("a", ours, theirs, SPACING_MM, rules=alone)
        mine = found[value - 1]
        assert mine.dsc == pytest.approx(expected.dsc, nan_ok=True)
        assert mine.hd95_mm_grid == pytest.approx(expected.hd95_mm_grid, nan_ok=True)
        assert (mine.missed, mine.reference_voxels) == (expected.missed, expected.reference_voxels)
    assert found[90].missed
    assert found[89].reference_voxels == 0 < found[89].predicted_voxels


def test_means_are_over_the_organs_that_there_are():
    reference = np.zeros((8, 8, 8), np.uint8)
    reference[:2], reference[4:6] = 1, 2
    rules = ScoringRules(classes=("aorta", "lung"))
    scores = score_case("a", reference, reference, SPACING_MM, rules=rules)
    means = summarise(scores, rules.classes)
    assert (means["dsc"], means["dsc/aorta"], means["dsc/lung"]) == (1.0, 1.0, 1.0)
    assert not [name for name in means if name.startswith("dsc/") and name[4:] not in rules.classes]


def test_a_label_beyond_the_classes_is_refused():
    rules = ScoringRules(classes=("aorta", "lung"))
    with pytest.raises(UserError, match="label 3, but there are 2 organs"):
        score_case("a", draw(0, 3), draw(1, 2), SPACING_MM, rules=rules)


def test_organs_that_are_scored_are_classes():
    assert ScoringRules(classes=("aorta", "lung")).organs == ("aorta", "lung")
    assert ScoringRules(classes=("aorta", "lung"), organs=("lung",)).organs == ("lung",)
    with pytest.raises(ValueError, match="no organ 'liver'"):
        ScoringRules(classes=("aorta", "lung"), organs=("liver",))
