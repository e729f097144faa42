import dataclasses
import math

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.metrics.agreement import dice
from voxsiam.metrics.case_scores import NativePair, score_case, score_native, summarise
from voxsiam.metrics.organ_score import MEASURES, OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.metrics.surface import assd, hd95
from voxsiam.types import PAPER_ORGANS

SPACING_MM = (4.0, 2.0, 2.0)
DISTANCES = ("hd95_grid", "assd_grid", "hd95_mm_grid", "assd_mm_grid")
NATIVE = ("dsc_native", "hd95_mm_native", "assd_mm_native")
LOW, HIGH, SHIFTED = np.s_[0:3, 1:4, 2:6], np.s_[5:8, 6:9, 7:10], np.s_[0:3, 1:4, 3:7]


def labels(**boxes):
    volume = np.zeros((8, 10, 12), np.uint8)
    for organ, box in boxes.items():
        volume[box] = PAPER_ORGANS.index(organ) + 1
    return volume


def random_labels(seed, shape):
    """Blocks of labels, so that organs have an inside."""
    coarse = np.random.default_rng(seed).integers(0, 9, [n // 3 + 1 for n in shape])
    fine = coarse.repeat(3, 0).repeat(3, 1).repeat(3, 2)
    return fine[: shape[0], : shape[1], : shape[2]].astype(np.uint8)


def score(case_id, organ, dsc=1.0, hd95_grid=0.0, missed=False):
    return OrganScore(
        case_id=case_id,
        organ=organ,
        dsc=dsc,
        hd95_grid=hd95_grid,
        assd_grid=0.0,
        hd95_mm_grid=0.0,
        assd_mm_grid=0.0,
        reference_voxels=1,
        predicted_voxels=0 if missed else 1,
        missed=missed,
    )


def by_organ(scores):
    return {s.organ: s for s in scores}


def values(scores, measures=MEASURES):
    return [[getattr(one, measure) for measure in measures] for one in scores]


def test_one_score_an_organ_in_order():
    truth = labels(liver=LOW)
    assert [s.organ for s in score_case("a", truth, truth, SPACING_MM)] == list(PAPER_ORGANS)


def test_every_measure_is_that_of_the_organs_masks():
    prediction, reference = random_labels(1, (9, 14, 11)), random_labels(2, (9, 14, 11))
    far = NativePair(random_labels(3, (17, 8, 20)), random_labels(4, (17, 8, 20)), (1.5, 0.5, 0.7))
    for value, one in enumerate(score_case("a", prediction, reference, SPACING_MM, far), start=1):
        masks = (prediction == value, reference == value)
        native = (far.prediction == value, far.reference == value)
        expected = [
            dice(*masks),
            hd95(*masks),
            assd(*masks),
            hd95(*masks, SPACING_MM),
            assd(*masks, SPACING_MM),
            dice(*native),
            hd95(*native, far.spacing_mm),
            assd(*native, far.spacing_mm),
        ]
        np.testing.assert_allclose(values([one])[0], expected, rtol=1e-12)
        counts = (one.predicted_voxels, one.reference_voxels)
        assert counts == tuple(np.count_nonzero(mask) for mask in masks)
        counts = (one.predicted_voxels_native, one.reference_voxels_native)
        assert counts == tuple(np.count_nonzero(mask) for mask in native)


def test_grid_and_mm_are_each_in_their_unit():
    reference, prediction = labels(liver=LOW), labels(liver=SHIFTED)
    liver = by_organ(score_case("a", prediction, reference, SPACING_MM))["liver"]
    assert liver.hd95_grid == 1.0
    assert liver.hd95_mm_grid == 2.0
    assert liver.assd_mm_grid == pytest.approx(2 * liver.assd_grid)
    assert (liver.reference_voxels, liver.predicted_voxels) == (36, 36)


def test_without_a_native_pair_its_measures_are_left_out():
    truth = labels(liver=LOW)
    for one in score_case("a", truth, truth, SPACING_MM):
        assert all(math.isnan(getattr(one, measure)) for measure in NATIVE)
        assert (one.reference_voxels_native, one.missed_native) == (0, False)


def test_the_native_grid_alone():
    pair = NativePair(labels(liver=SHIFTED), labels(liver=LOW, spleen=HIGH), SPACING_MM)
    both = score_case("a", pair.prediction, pair.reference, (1.0, 1.0, 1.0), pair)
    alone = score_native("a", pair)
    np.testing.assert_array_equal(values(alone, NATIVE), values(both, NATIVE))
    assert np.isnan(values(alone, ("dsc", *DISTANCES))).all()
    assert by_organ(alone)["liver"].hd95_mm_native == 2.0
    assert by_organ(alone)["spleen"].missed_native
    assert not any(one.missed for one in alone)
    counts = summarise(alone)
    assert (counts["missed_organs"], counts["missed_organs_native"]) == (0, 1)


def test_an_organ_may_be_missed_on_one_grid_only():
    truth, nothing = labels(gallbladder=LOW), labels()
    vanished = score_case("a", nothing, nothing, SPACING_MM, NativePair(nothing, truth, SPACING_MM))
    one = by_organ(vanished)["gallbladder"]
    assert (one.missed, one.missed_native) == (False, True)
    assert math.isnan(one.dsc)
    assert one.dsc_native == 0.0


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


def test_native_measures_are_averaged_too():
    scores = [
        dataclasses.replace(score("a", "liver"), dsc_native=0.9, hd95_mm_native=2.0),
        dataclasses.replace(score("b", "liver"), dsc_native=0.5, hd95_mm_native=8.0),
        dataclasses.replace(score("a", "spleen"), dsc_native=0.1, assd_mm_native=4.0),
    ]
    means = summarise(scores)
    assert means["dsc_native"] == pytest.approx((0.7 + 0.1) / 2)
    assert means["hd95_mm_native"] == pytest.approx(5.0)
    assert means["assd_mm_native"] == pytest.approx(4.0)


def test_a_missed_organ_lowers_the_dice_and_leaves_the_distances():
    found = [score("a", "liver", dsc=0.8, hd95_grid=2.0)]
    lost = score("b", "liver", dsc=0.0, hd95_grid=math.nan, missed=True)
    means = summarise([*found, lost])
    assert means["dsc"] == pytest.approx(0.4)
    assert means["hd95_grid"] == 2.0
    assert (means["missed_organs"], means["scored_organs"]) == (1, 2)


def test_a_missed_organ_may_cost_the_diagonal():
    rules = ScoringRules(missed_distance="diagonal")
    prediction, reference = labels(stomach=LOW), labels(liver=HIGH)
    pair = NativePair(prediction, reference, (1.0, 1.0, 3.0))
    scores = by_organ(score_case("a", prediction, reference, SPACING_MM, pair, rules))
    liver = scores["liver"]
    assert liver.missed
    assert liver.missed_native
    assert liver.dsc == 0.0
    # 8 x 10 x 12 voxels: the farthest two centres lie 7, 9 and 11 steps apart.
    in_voxels, in_mm = math.hypot(7, 9, 11), math.hypot(28, 18, 22)
    expected = [in_voxels, in_voxels, in_mm, in_mm]
    assert [getattr(liver, name) for name in DISTANCES] == pytest.approx(expected)
    assert liver.hd95_mm_native == liver.assd_mm_native == pytest.approx(math.hypot(7, 9, 33))
    # An invented organ has no distance either way.
    assert np.isnan(values([scores["stomach"]], DISTANCES)).all()


def test_no_distance_exceeds_the_diagonal():
    first, last = labels(), labels()
    first[0, 0, 0] = last[-1, -1, -1] = 5
    measured = by_organ(score_case("a", first, last, SPACING_MM))["liver"]
    rules = ScoringRules(missed_distance="diagonal")
    missed = by_organ(score_case("a", labels(), last, SPACING_MM, rules=rules))["liver"]
    assert values([measured], DISTANCES)[0] == pytest.approx(values([missed], DISTANCES)[0])


def test_an_organ_that_a_data_set_lacks_is_neither_missed_nor_invented():
    seven = ScoringRules(organs=tuple(organ for organ in PAPER_ORGANS if organ != "duodenum"))
    prediction, reference = labels(liver=LOW, duodenum=HIGH), labels(liver=LOW)
    scores = score_case("a", prediction, reference, SPACING_MM, rules=seven)
    assert [one.organ for one in scores] == list(PAPER_ORGANS[:-1])
    means = summarise(scores)
    assert means["invented_organs"] == 0
    assert means["dsc"] == 1.0
    assert math.isnan(means["dsc/duodenum"])
    assert means.keys() == summarise(score_case("a", prediction, reference, SPACING_MM)).keys()


def test_keys_do_not_depend_on_what_was_found():
    full = summarise(score_case("a", labels(liver=LOW), labels(liver=LOW), SPACING_MM))
    assert full.keys() == summarise([]).keys()
    assert {f"dsc/{organ}" for organ in PAPER_ORGANS} | set(MEASURES) < full.keys()


def test_bad_label_maps_are_refused():
    with pytest.raises(UserError, match=r"\(8, 10, 12\) voxels"):
        score_case("a", labels(), labels()[:1], SPACING_MM)
    strange = labels()
    strange[0, 0, 0] = 9
    with pytest.raises(UserError, match="the reference holds the label 9"):
        score_case("a", labels(), strange, SPACING_MM)
    with pytest.raises(UserError, match="the prediction holds the label 9") as caught:
        score_case(
            "a", labels(), labels(), SPACING_MM, NativePair(strange, labels(), (1.0, 1.0, 1.0))
        )
    assert caught.value.where == "case a, native grid"
