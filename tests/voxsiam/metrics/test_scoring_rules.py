import math

import numpy as np
import pytest
from pydantic import ValidationError

from voxsiam.metrics.case_scores import NativePair, score_case, summarise
from voxsiam.metrics.scoring_rules import (
    DEFAULT_RULES,
    DistanceConfig,
    ScoringRules,
    empty_mask_policy,
)
from voxsiam.metrics.surface import surface_distances
from voxsiam.types import PAPER_ORGANS

SPACING_MM = (2.0, 1.0, 1.0)
DIAGONAL_MM = math.hypot(2 * 3, 4, 5)
MEANINGS = {
    "0": lambda value: value == 0,
    "0 to 1": lambda value: 0 < value < 1,
    "left out": math.isnan,
    "measured": lambda value: 0 < value < DIAGONAL_MM,
    "diagonal of the grid": lambda value: math.isclose(value, DIAGONAL_MM),
}


def test_defaults_are_the_papers():
    assert DEFAULT_RULES.organs == PAPER_ORGANS
    assert DEFAULT_RULES.missed_distance == "left_out"
    assert DEFAULT_RULES.distances == DistanceConfig(hd95="pooled", assd="mean_of_directed")


def test_organs_stand_in_the_papers_order_once():
    assert ScoringRules(organs=("liver", "spleen", "liver")).organs == ("spleen", "liver")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"organs": ("livr",)}, "did you mean 'liver'"),
        ({"organs": ()}, "at least one organ"),
        ({"missed_distance": "zero"}, "left_out"),
        ({"distances": {"hd95": "largest"}}, "larger_directed"),
        ({"distances": {"assd": "mean"}}, "mean_of_directed"),
        ({"organ": ("liver",)}, "Extra inputs"),
    ],
)
def test_bad_rules_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        ScoringRules(**fields)


@pytest.mark.parametrize("hd95", ["pooled", "larger_directed"])
@pytest.mark.parametrize("assd", ["mean_of_directed", "pooled"])
def test_the_distances_are_those_that_were_chosen_on_every_grid(hd95, assd):
    liver = PAPER_ORGANS.index("liver") + 1
    prediction, reference = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8)
    prediction[:] = reference[3:6, 3:6, 3:8] = liver
    spacing_mm, native_mm = (5.0, 2.0, 1.0), (3.0, 1.0, 1.0)
    rules = ScoringRules(organs=("liver",), distances=DistanceConfig(hd95=hd95, assd=assd))
    native = NativePair(prediction, reference, native_mm)
    (found,) = score_case("a", prediction, reference, spacing_mm, native, rules)
    differ: list[tuple[bool, bool]] = []
    names = {"grid": (1.0, 1.0, 1.0), "mm_grid": spacing_mm, "mm_native": native_mm}
    for grid, spacing in names.items():
        (sets,) = surface_distances(prediction == liver, reference == liver, [spacing])
        expected = {"pooled": sets.hd95, "larger_directed": sets.larger_directed_hd95}[hd95]
        assert getattr(found, f"hd95_{grid}") == expected
        expected = {"mean_of_directed": sets.assd, "pooled": sets.pooled_assd}[assd]
        assert getattr(found, f"assd_{grid}") == expected
        differ.append((sets.hd95 != sets.larger_directed_hd95, sets.assd != sets.pooled_assd))
    assert all(map(any, zip(*differ, strict=True))), "readings that give one figure tell nothing"


def label_map(state, place):
    volume = np.zeros((4, 5, 6), np.uint8)
    if state == "present":
        volume[place] = 5
    return volume


@pytest.mark.parametrize("missed_distance", ["left_out", "diagonal"])
@pytest.mark.parametrize("case", range(4))
def test_each_row_of_the_printed_table_is_what_happens(missed_distance, case):
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
    policy = empty_mask_policy()
    assert len({(rule.reference, rule.prediction) for rule in policy}) == len(policy) == 4
