import dataclasses
import math

import pytest

from voxsiam.metrics.organ_means import (
    Counts,
    Mean,
    count_organs,
    mean,
    organ_figures,
    overall_means,
    sample_sd,
)
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.types import PAPER_ORGANS

NAN = math.nan


def score(organ, sizes, native=(0, 0), **measures):
    empty = OrganScore("a", organ, NAN, NAN, NAN, NAN, NAN, sizes[0], sizes[1], missed=False)
    return dataclasses.replace(
        empty, reference_voxels_native=native[0], predicted_voxels_native=native[1], **measures
    )


SCORES = [
    score("liver", (5, 4), native=(50, 40), dsc=0.9, hd95_grid=1.0),
    score("liver", (5, 0), native=(50, 2), dsc=0.0),
    score("spleen", (0, 3), native=(0, 0), dsc=0.0),
    score("spleen", (0, 0), native=(9, 0)),
]


def test_each_mean_says_of_how_many():
    spleen, liver = organ_figures(SCORES)
    assert (spleen.organ, liver.organ) == ("spleen", "liver")
    assert liver.means["dsc"] == Mean(0.45, 2)
    assert liver.means["hd95_grid"] == Mean(1.0, 1)
    assert spleen.means["dsc"] == Mean(0.0, 1)
    assert spleen.means["hd95_grid"].count == 0
    assert math.isnan(spleen.means["hd95_grid"].value)


def test_every_organ_counts_in_the_order_of_the_paper():
    scores = [score(organ, (5, 5), dsc=0.1 * n) for n, organ in enumerate(PAPER_ORGANS)]
    figures = organ_figures(scores[::-1])
    assert [figure.organ for figure in figures] == list(PAPER_ORGANS)
    assert [figure.means["dsc"].value for figure in figures] == [each.dsc for each in scores]
    assert overall_means(figures)["dsc"] == mean(each.dsc for each in scores)


def test_spreads_are_over_the_cases_that_have_a_value():
    spleen, liver = organ_figures(SCORES)
    assert liver.sds["dsc"] == pytest.approx(0.9 / math.sqrt(2))
    assert math.isnan(liver.sds["hd95_grid"])
    assert math.isnan(spleen.sds["assd_grid"])
    assert sample_sd([1.0, NAN, 2.0, 3.0]) == 1


def test_counts_stand_beside_the_means_of_each_grid():
    spleen, liver = organ_figures(SCORES)
    assert liver.grid == Counts(scored=2, missed=1, invented=0)
    assert liver.native == Counts(scored=2, missed=0, invented=0)
    assert spleen.grid == Counts(scored=0, missed=0, invented=1)
    assert spleen.native == Counts(scored=1, missed=1, invented=0)
    assert count_organs(SCORES, "grid") == Counts(scored=2, missed=1, invented=1)


def test_organs_weigh_the_same_whatever_their_cases():
    overall = overall_means(organ_figures(SCORES))
    assert overall["dsc"] == Mean(0.225, 2)
    assert overall["hd95_grid"] == Mean(1.0, 1)


def test_the_order_of_cases_does_not_change_a_mean():
    values = [0.1 * i for i in range(50)] + [1e16, -1e16]
    assert mean(values) == mean(values[::-1])
