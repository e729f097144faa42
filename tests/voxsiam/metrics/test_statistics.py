from itertools import product

import numpy as np
import pytest

from voxsiam.metrics.statistics import (
    bootstrap_interval,
    compare_paired,
    holm,
    rank_shares,
    smallest_p,
)


def some(n, seed=0, mean=0.0, sd=1.0):
    return np.random.default_rng(seed).normal(mean, sd, n)


def literal_signed_rank_p(difference):
    """Every assignment of signs: how many are as far from the middle as the one that was seen?"""
    order = np.argsort(np.abs(difference))
    ranks = np.empty(len(difference))
    ranks[order] = np.arange(1, len(difference) + 1)
    seen = ranks[difference > 0].sum()
    middle = ranks.sum() / 2
    sums = [ranks[np.array(signs)].sum() for signs in product([False, True], repeat=len(ranks))]
    return np.mean([abs(value - middle) >= abs(seen - middle) for value in sums])


@pytest.mark.parametrize("seed", range(5))
def test_the_test_counts_every_assignment_of_signs(seed):
    difference = some(9, seed, mean=0.5)
    found = compare_paired(difference, np.zeros(9))
    assert found.p_value == pytest.approx(literal_signed_rank_p(difference))


def test_the_least_p_value_is_that_of_equal_signs():
    for n in range(6, 12):
        assert compare_paired(np.arange(1.0, n + 1), np.zeros(n)).p_value == smallest_p(n)
    assert [smallest_p(n) for n in (1, 2, 5, 6)] == [1.0, 0.5, 0.0625, 0.03125]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_too_few_pairs_are_not_tested(n):
    found = compare_paired(np.arange(1.0, n + 1), np.zeros(n))
    assert found.p_value is None
    assert found.units == n
    assert (found.interval is None) == (n < 3)


def test_pairs_without_a_figure_are_left_out():
    first, second = some(12), some(12, 1)
    first[3] = second[7] = np.nan
    kept = np.delete(np.arange(12), [3, 7])
    assert compare_paired(first, second) == compare_paired(first[kept], second[kept])
    assert compare_paired(first * np.nan, second).units == 0


def test_equal_rows_do_not_differ():
    found = compare_paired(some(10), some(10))
    assert (found.p_value, found.effect, found.mean_difference) == (1.0, 0.0, 0.0)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0, 0)


def test_turning_a_comparison_round_turns_its_sign():
    first, second = some(15), some(15, 1, mean=0.3)
    one, other = compare_paired(first, second), compare_paired(second, first)
    assert one.p_value == other.p_value
    assert one.effect == -other.effect
    assert one.mean_difference == -other.mean_difference


def test_the_effect_runs_from_all_below_to_all_above():
    above = compare_paired(np.arange(1.0, 9), np.zeros(8))
    below = compare_paired(np.zeros(8), np.arange(1.0, 9))
    assert (above.effect, below.effect) == (1, -1)
    # Ranks 1 to 4 against 5 to 8 of 36: (10 - 26) / 36.
    mixed = np.array([1.0, 2, 3, 4, -5, -6, -7, -8])
    assert compare_paired(mixed, np.zeros(8)).effect == pytest.approx(-16 / 36)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        found = bootstrap_interval(some(25, seed, mean=2.0), seed)
        assert found is not None
        covered += found.low <= 2.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_repeats_and_narrows_with_more_units():
    few, many = bootstrap_interval(some(10)), bootstrap_interval(some(400))
    assert few is not None
    assert many is not None
    assert few == bootstrap_interval(some(10))
    assert many.high - many.low < (few.high - few.low) / 3


def test_holm_against_its_definition():
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": None}
    found = holm(p)
    # Ascending: 0.01 x 3, 0.03 x 2, 0.04 x 1, none below the one before.
    assert found == {
        "a": pytest.approx(0.03),
        "b": pytest.approx(0.06),
        "c": pytest.approx(0.06),
        "d": None,
    }
    assert holm({"x": None}) == {"x": None}
    assert holm({"x": 0.2})["x"] == pytest.approx(0.2)
    assert holm({"x": 0.9, "y": 0.8})["x"] == 1.0


def test_rows_far_apart_keep_their_ranks_and_equal_rows_share_them():
    base = np.random.default_rng(0).normal(0, 0.1, (3, 20))
    apart = rank_shares([base, base + 1, base - 1])
    assert apart.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    close = rank_shares([some(60).reshape(3, 20), some(60, 1).reshape(3, 20)])
    assert close.sum(0).tolist() == pytest.approx([1, 1])
    assert close.sum(1).tolist() == pytest.approx([1, 1])
    assert 0.05 < close[0, 0] < 0.95


def test_ranks_leave_out_what_was_not_measured():
    scores = np.random.default_rng(0).normal(0, 1, (2, 10))
    scores[0, 3] = np.nan
    assert np.isfinite(rank_shares([scores, scores - 5], resamples=50)).all()
