import math

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.metrics.case_scores import OrganScore, score_case, summarise
from voxsiam.metrics.surface import hd95
from voxsiam.types import ORGANS

SPACING_MM = (4.0, 2.0, 2.0)


def labels(**boxes):
    volume = np.zeros((8, 10, 12), np.uint8)
    for organ, box in boxes.items():
        volume[box] = ORGANS.index(organ) + 1
    return volume


def score(case_id, organ, dsc=1.0, hd95_grid=0.0, missed=False):
    distances = {"assd_grid": 0.0, "hd95_mm_grid": 0.0, "assd_mm_grid": 0.0}
    return OrganScore(
        case_id=case_id,
        organ=organ,
        dsc=dsc,
        hd95_grid=hd95_grid,
        reference_voxels=1,
        predicted_voxels=0 if missed else 1,
        missed=missed,
        **distances,
    )


def by_organ(scores):
    return {s.organ: s for s in scores}


LOW, HIGH, SHIFTED = np.s_[0:3, 1:4, 2:6], np.s_[5:8, 6:9, 7:10], np.s_[0:3, 1:4, 3:7]


def test_one_score_an_organ_in_order():
    truth = labels(liver=LOW)
    assert [s.organ for s in score_case("a", truth, truth, SPACING_MM)] == list(ORGANS)


def test_the_empty_mask_table():
    reference = labels(liver=LOW, spleen=HIGH)
    prediction = labels(liver=LOW, stomach=HIGH)
    scores = by_organ(score_case("a", prediction, reference, SPACING_MM))
    both, missed, invented, neither = (
        scores[organ] for organ in ("liver", "spleen", "stomach", "pancreas")
    )
    assert (both.dsc, both.hd95_grid, both.missed) == (1.0, 0.0, False)
    assert (missed.dsc, missed.missed) == (0.0, True)
    assert (invented.dsc, invented.missed) == (0.0, False)
    assert math.isnan(neither.dsc)
    assert not neither.missed
    for empty in (missed, invented, neither):
        for measure in ("hd95_grid", "assd_grid", "hd95_mm_grid", "assd_mm_grid"):
            assert math.isnan(getattr(empty, measure))
    counts = summarise(scores.values())
    assert (counts["missed_organs"], counts["scored_organs"], counts["invented_organs"]) == (
        1,
        2,
        1,
    )


def test_grid_and_mm_are_each_in_their_unit():
    reference, prediction = labels(liver=LOW), labels(liver=SHIFTED)
    liver = by_organ(score_case("a", prediction, reference, SPACING_MM))["liver"]
    assert liver.hd95_grid == 1.0
    assert liver.hd95_mm_grid == hd95(prediction == 5, reference == 5, SPACING_MM) == 2.0
    assert liver.assd_mm_grid == pytest.approx(2 * liver.assd_grid)
    assert (liver.reference_voxels, liver.predicted_voxels) == (36, 36)


def test_mean_is_over_cases_then_over_organs():
    nan = math.nan
    scores = [
        score("a", "liver", dsc=0.9, hd95_grid=1.0),
        score("b", "liver", dsc=0.7, hd95_grid=3.0),
        score("a", "spleen", dsc=0.2, hd95_grid=10.0),
        score("b", "spleen", dsc=nan, hd95_grid=nan),
    ]
    means = summarise(scores)
    assert means["dsc/liver"] == pytest.approx(0.8)
    assert means["dsc/spleen"] == pytest.approx(0.2)
    # Over all three values at once it would be 0.6 and 14 / 3.
    assert means["dsc"] == pytest.approx(0.5)
    assert means["hd95_grid"] == pytest.approx((2.0 + 10.0) / 2)
    assert math.isnan(means["dsc/duodenum"])


def test_a_missed_organ_lowers_the_dice_and_leaves_the_distances():
    found = [score("a", "liver", dsc=0.8, hd95_grid=2.0)]
    lost = score("b", "liver", dsc=0.0, hd95_grid=math.nan, missed=True)
    means = summarise([*found, lost])
    assert means["dsc"] == pytest.approx(0.4)
    assert means["hd95_grid"] == 2.0
    assert (means["missed_organs"], means["scored_organs"]) == (1, 2)


def test_keys_do_not_depend_on_what_was_found():
    full = summarise(score_case("a", labels(liver=LOW), labels(liver=LOW), SPACING_MM))
    assert full.keys() == summarise([]).keys()
    assert {f"dsc/{organ}" for organ in ORGANS} < full.keys()


def test_bad_label_maps_are_refused():
    with pytest.raises(UserError, match=r"\(8, 10, 12\) voxels"):
        score_case("a", labels(), labels()[:1], SPACING_MM)
    strange = labels()
    strange[0, 0, 0] = 9
    with pytest.raises(UserError, match="the reference holds the label 9"):
        score_case("a", labels(), strange, SPACING_MM)
