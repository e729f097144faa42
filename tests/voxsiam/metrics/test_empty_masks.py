"""The printed table says what the code does."""

import math

import numpy as np
import pytest

from voxsiam.metrics.case_scores import NativePair, score_case, summarise
from voxsiam.metrics.empty_masks import EMPTY_MASK_POLICY, empty_mask_policy
from voxsiam.metrics.scoring_rules import ScoringRules

SPACING_MM = (2.0, 1.0, 1.0)
DIAGONAL_MM = math.hypot(2 * 3, 4, 5)
MEANINGS = {
    "0": lambda value: value == 0,
    "0 to 1": lambda value: 0 < value < 1,
    "left out": math.isnan,
    "measured": lambda value: 0 < value < DIAGONAL_MM,
    "diagonal of the grid": lambda value: math.isclose(value, DIAGONAL_MM),
}


def label_map(state, place):
    volume = np.zeros((4, 5, 6), np.uint8)
    if state == "present":
        volume[place] = 5
    return volume


@pytest.mark.parametrize("missed_distance", ["left_out", "diagonal"])
@pytest.mark.parametrize("case", range(4))
def test_each_row_is_what_happens(missed_distance, case):
    rule = empty_mask_policy(missed_distance)[case]
    prediction = label_map(rule.prediction, np.s_[1:3, 1:4, 1:4])
    reference = label_map(rule.reference, np.s_[1:3, 1:4, 2:5])
    pair = NativePair(prediction, reference, SPACING_MM)
    rules = ScoringRules(organs=("liver",), missed_distance=missed_distance)
    (one,) = score_case("a", prediction, reference, SPACING_MM, pair, rules)
    for value in (one.dsc, one.dsc_native):
        assert MEANINGS[rule.dsc](value)
    for value in (one.hd95_mm_grid, one.assd_mm_grid, one.hd95_mm_native, one.assd_mm_native):
        assert MEANINGS[rule.distances](value)
    counts = summarise([one])
    for suffix in ("", "_native"):
        counted = {
            word for word in ("scored", "missed", "invented") if counts[f"{word}_organs{suffix}"]
        }
        assert counted == set(rule.counted_as.split(", ")) - {"-"}


def test_the_four_cases_are_all_there():
    states = {(rule.reference, rule.prediction) for rule in EMPTY_MASK_POLICY}
    assert len(states) == len(EMPTY_MASK_POLICY) == 4
